# Set the metadata of a shipment to the phone number of the customer.
select(.event == "track_updated" and .test != true) | .data
| select(.tracking_status.substatus.code == "out_for_delivery")
| (.metadata | e164) as $to
| select($to)
| {to: $to, text: "Your parcel\(.tracking_number | surround(" "; "")) arrives today.", traffic: "transaction"}
