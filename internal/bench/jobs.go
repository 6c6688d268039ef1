package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/rcshook/rcshook/internal/events"
	"github.com/rcshook/rcshook/rbm"
)

// A job is a kind of request to the function, which is measured beside a message.
type job struct {
	name     string
	process  *process
	request  func(n int64) request
	task     string // if it is set, the requests are the latest task of this kind
	accepted string
	arrivals int
}

func (j job) target() target {
	return target{j.process.target.address, j.request, j.accepted, j.arrivals}
}

// slowRow is the name of the row of events to slow targets.
const slowRow = "event to three targets that take 10 s, queued: response, ms"

// measureJobs measures each job in turns with a message. The function has a process with
// queues, and one without.
func (r *runner) measureJobs(ctx context.Context) error {
	fields := "," + r.payload[1:]
	with := func(more string) func(int64) request { return message("{" + more + fields) }
	r.payload = `{"traffic": "transaction"` + fields // other messages need the opt-outs
	r.progress("warming up")
	direct, _, err := r.start(ctx, subject{program: function, file: r.self, settings: r.stage.Direct}, "")
	if err != nil {
		return err
	}
	defer direct.stop()
	queued, _, err := r.start(ctx, subject{program: function, file: r.self, settings: r.stage.Queued, accepted: `"code":"queued"`}, r.profile)
	if err != nil {
		return err
	}
	defer queued.stop()

	const accepted, received = `"code":"accepted"`, `"code":"received"`
	jobs := []job{
		{"promotion, with opt-outs", direct, with(`"traffic": "promotion"`), "", accepted, 2},
		{"event to a target", direct, event(r.stage.Agent, "reply"), "", received, 1},
		{"message with a fallback to the queue", queued, with(`"agent": "late", "fallback_after": "1h"`), "", `"code":"queued"`, 2},
		{"task of a message", queued, nil, "send", accepted, 1},
		{"receipt of a message with a fallback", queued, event(lateAgent, "delivered"), "", received, 2},
		{"event to the queue", queued, event(lateAgent, "reply"), "", received, 1},
		{"task of an event", queued, nil, "event", received, 1},
	}
	return r.measureEach(ctx, jobs, direct, queued)
}

// measureEach measures the jobs in all rounds, and then the events to slow targets.
func (r *runner) measureEach(ctx context.Context, jobs []job, direct, queued *process) error {
	plain := job{"message", direct, direct.target.request, "", direct.target.accepted, 1}
	for i := range jobs {
		if j := &jobs[i]; j.task != "" {
			if err := r.repeatTask(ctx, j); err != nil {
				return err
			}
		}
		for _, j := range []job{jobs[i], plain} {
			if _, err := r.drive(ctx, j.process, j.target(), load{callers: fillCallers, requests: min(warmRequests, r.requests)}); err != nil {
				return fmt.Errorf("%s: %w", jobs[i].name, err)
			}
		}
	}
	for round := range r.rounds {
		for _, measured := range jobs {
			pair := []job{measured, plain}
			for i := range pair {
				column := (round + i) % 2 // the order alternates
				r.progress(fmt.Sprintf("round %d of %d: %s", round+1, r.rounds, measured.name))
				one, err := r.sample(ctx, pair[column].process, pair[column].target(), 1)
				if err != nil {
					return err
				}
				many, err := r.sample(ctx, pair[column].process, pair[column].target(), fillCallers)
				if err != nil {
					return err
				}
				r.report.add(measured.name+": 1 at once, response, ms", column, 1000/one.rate)
				r.report.add(measured.name+": 32 at once, requests per second", column, many.rate)
				r.report.add(measured.name+": 32 at once, CPU for 1,000, ms", column, many.cpu)
			}
		}
	}
	r.progress("slow targets")
	slow := job{slowRow, queued, event(slowAgent, "reply"), "", `"code":"received"`, 3}.target()
	for column, t := range []target{slow, direct.target} {
		res, err := load{callers: 1, requests: r.starts + 1}.run(ctx, t)
		if err != nil {
			return err
		}
		r.report.add(slowRow, column, 1000*res.elapsed.Seconds()/float64(res.requests))
	}
	return nil
}

// event returns requests with signed events of a type, each with its own ID.
func event(agent, eventType string) func(n int64) request {
	return func(n int64) request {
		data, _ := events.SampleData(eventType, agent, strconv.FormatInt(n, 10), time.Now())
		data = bytes.Replace(data, []byte("0d7c1f7be001"), fmt.Appendf(nil, "%012d", n), 1) // the end of the message ID
		mac := hmac.New(sha512.New, []byte(clientToken))
		mac.Write(data)
		return request{
			"/events", rbm.SignatureHeader + ": " + base64.StdEncoding.EncodeToString(mac.Sum(nil)) + "\r\n",
			fmt.Appendf(nil, `{"message": {"data": %q}}`, base64.StdEncoding.EncodeToString(data)),
		}
	}
}

// repeatTask makes the requests of a job those of Cloud Tasks for the latest task.
func (r *runner) repeatTask(ctx context.Context, j *job) error {
	var task taskRequest
	if err := r.ask(ctx, "task/"+j.task, &task); err != nil {
		return err
	}
	audience := "http://" + j.process.target.address
	var token string
	if err := r.ask(ctx, "token?audience="+url.QueryEscape(audience), &token); err != nil {
		return err
	}
	repeated := request{
		path:   strings.TrimPrefix(task.URL, audience),
		header: "Authorization: Bearer " + token + "\r\nX-CloudTasks-TaskRetryCount: 0\r\n", body: task.Body,
	}
	j.request = func(int64) request { return repeated }
	return nil
}
