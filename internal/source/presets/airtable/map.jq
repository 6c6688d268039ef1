# The API of Airtable has the change.
select(.timestamp)
| {
    to: "+12025550123",
    text: "The base has changed.",
    buttons: [.base.id | present | "Open|https://airtable.com/\(.)"]
  }
