select(.heartbeat.status != 1) # 1 is up; a test has no heartbeat
| {to: "+12025550123", text: (.msg | present | truncate(300))}
