select(.event == "tracking_update" and .is_tracking_first_tag == true) | .msg
| select(.tag == "OutForDelivery")
| (.smses[0]? | e164) as $to # others are of people who follow the parcel
| select($to)
| {
    to: $to,
    text: "Hi \(.customer_name | present // "there"), your order\(.order_id | surround(" "; "")) arrives today.",
    buttons: [.courier_tracking_link | present | "Track|\(.)"],
    traffic: "transaction"
  }
