# phone is the ID of a column of your board. It is in the settings of the column.
.event | select(.type == "update_column_value" and .columnId == "phone") | .value | objects
| .countryShortName as $country
| (.phone | e164($country)) as $to
| select($to)
| {to: $to, text: "Thank you. We will call you within a day.", chips: ["Call me now|=CALL_NOW"]}
