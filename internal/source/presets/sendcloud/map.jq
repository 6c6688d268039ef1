# UNVERIFIED: the status 92 means that the driver is on the way.
select(.action == "parcel_status_changed") | .parcel
| select(.status.id == 92)
| .country.iso_2 as $country
| (.telephone | e164($country)) as $to
| select($to)
| {
    to: $to,
    text: "Hi \(.name | present // "there"), your order\(.order_number | surround(" "; "")) arrives today.",
    buttons: [.tracking_url | present | "Track|\(.)"],
    traffic: "transaction"
  }
