package outcome

// All joins the answers of several recipients: one code where they agree, and
// [Mixed] where they do not.
func All(results []*Answer) *Answer {
	a := New(common(results))
	for _, r := range results {
		a.RetryAfter = max(a.RetryAfter, r.RetryAfter)
		a.DuplicateRisk = a.DuplicateRisk || r.DuplicateRisk
		if a.Cause == nil {
			a.Cause = r.Cause
		}
	}
	a.Results = results
	return a
}

func common(results []*Answer) Code {
	code, ok := results[0].Code, true
	for _, r := range results {
		ok = ok && r.OK
		if r.Code != code {
			code = Mixed
		}
	}
	if ok && code == Mixed {
		return Accepted // some of them before
	}
	return code
}
