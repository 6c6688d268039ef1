# Clerk repeats an event for hours, but a code is valid for ten minutes.
((.timestamp | numbers | {expires_at: (. / 1000 + 600 | floor | todate)}) // {}) as $limit
| .data | (.to_phone_number | e164) as $to
| select($to)
| {to: $to, text: (.message | present), otp: true} + $limit
