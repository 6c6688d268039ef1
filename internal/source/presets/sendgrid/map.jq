# phone and order are arguments of our own, which SendGrid sends back with each event.
select(.event == "bounce" and .phone)
| {to: .phone, text: "We could not reach you at \(.email) about order \(.order). Please update your address.", buttons: ["Update|https://example.com/account"]}
