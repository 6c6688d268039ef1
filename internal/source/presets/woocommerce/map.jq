select(.status == "completed")
| .billing.country as $country
| (.billing.phone | e164($country)) as $to
| select($to)
| ([.line_items[]?.name | present] | join(", ") | truncate(80)) as $items
| {
    to: $to,
    text: "Order\(.number | surround(" "; "")) is complete\($items | surround(": "; ""))\(money(.total; .currency) | surround(", "; "")).",
    idempotency_key: (.id | surround("order-"; "-completed")) # each change of an order is an event
  }
