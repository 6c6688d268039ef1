select(.resource_type == "payments" and .action == "failed")
| {to: "+12025550123", text: "Payment\(.links.payment | surround(" "; "")) failed\(.details.cause // "" | gsub("_"; " ") | surround(": "; ""))."}
