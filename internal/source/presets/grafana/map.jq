select(.status == "firing")
| {
    to: "+12025550123",
    title: (.title | present // "Alert" | truncate(100)),
    text: (.commonAnnotations.summary | present // "Alerts are firing." | truncate(300)),
    buttons: [first(.alerts[]?.generatorURL | strings | select(startswith("https://") and length < 2000)) | "Open|\(.)"]
  }
