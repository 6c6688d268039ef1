select($headers["x-github-event"] == "workflow_run" and .action == "completed") | .workflow_run as $run
| select($run.conclusion == "failure" and $run.head_branch == "main")
| {
    to: "+12025550123",
    text: "\(.repository.full_name | surround(""; ": "))\($run.name | present // "a workflow")\($run.run_number | surround(" #"; "")) failed on main.",
    buttons: [$run.html_url | present | "Open the run|\(.)"]
  }
