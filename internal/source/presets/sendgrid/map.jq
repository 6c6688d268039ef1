# phone and order are arguments of our own, which SendGrid sends back with each event.
select(.event == "bounce")
| (.phone | e164) as $to
| select($to)
| {
    to: $to,
    text: "We could not reach you\(.email | surround(" at "; ""))\(.order | surround(" about order "; "")). Please update your address.",
    buttons: ["Update|https://example.com/account"]
  }
