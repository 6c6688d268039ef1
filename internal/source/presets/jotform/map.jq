# q3_name and q4_phone are the names of questions in your form.
(.rawRequest // "" | fromjson? | objects)
| (.q4_phone | objects | .full | e164) as $to
| select($to)
| {
    to: $to,
    text: "Thank you\((.q3_name | objects | .first) // "" | surround(", "; "")). We will call you within a day.",
    chips: ["Call me now|=CALL_NOW"]
  }
