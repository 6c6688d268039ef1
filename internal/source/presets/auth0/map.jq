# Of a custom phone provider, or the message options of Send Phone Message. No voice calls.
select(.delivery_method // .message_type | . == "text" or . == "sms")
| (.recipient | e164) as $to
| select($to)
| {to: $to, text: (.as_text // .text | present)} + if .code then {otp: true} else {traffic: "transaction"} end
