# Events have no content.
select(.type == "page.content_updated") | .entity.id | present | gsub("-"; "")
| {to: "+12025550123", text: "A page has changed.", buttons: ["Open|https://www.notion.so/\(.)"]}
