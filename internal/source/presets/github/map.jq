select($headers["x-github-event"] == "workflow_run" and .action == "completed") | .workflow_run as $run
| select($run.conclusion == "failure" and $run.head_branch == "main")
| {
    to: "+12025550123",
    text: "\(.repository.full_name): \($run.name) #\($run.run_number) failed on main.",
    buttons: ["Open the run|\($run.html_url)"]
  }
