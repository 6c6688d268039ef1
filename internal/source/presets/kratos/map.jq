# The Jsonnet template of the channel posts these fields:
# function(ctx) { recipient: ctx.recipient, body: ctx.body,
#   template_type: ctx.template_type, message_type: ctx.message_type }
select(.message_type == "sms")
| (.recipient | e164) as $to
| select($to)
| {to: $to, text: (.body | present), otp: true}
