package docstest

import (
	flags "flag"
	"fmt"
	"math"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rcshook/rcshook/rbm"
)

// model computes the resources and the cost of a deployment at a rate of messages. Measured
// values are results of internal/bench, and may differ on other machines. Assumed values
// are not published. The rest are prices and limits of Google, with their source.
type model struct {
	CPU         time.Duration // measured: for one request, with 256 at once
	Memory      float64       // measured: MB, with 256 at once
	LogBytes    float64       // measured: of the log line of a request
	Latency     time.Duration // assumed: RBM, from request to response
	TaskLatency time.Duration // assumed: Cloud Tasks, to accept a task
	Streams     int           // assumed: requests at once on one connection to Google

	// Measured by internal/bench -jobs: CPU, as a multiple of that of a message.
	QueuedCPU   float64 // a message with a fallback, to the queue
	TaskCPU     float64 // its task; assumed for a watch and a fallback too
	ReceiptCPU  float64 // a receipt that deletes a watch
	EventCPU    float64 // another event
	DeliveryCPU float64 // the task of an event
	StoreCPU    float64 // a promotion with opt-outs

	Undelivered float64 // assumed: share of the messages that go to the fallback in time
	Receipts    float64 // assumed: events of a delivered message: delivered, read

	Concurrency int     // of an instance: deploy.sh
	Instances   int     // at most: deploy.sh
	InstanceGiB float64 // deploy.sh

	// https://docs.cloud.google.com/run/docs/about-instance-autoscaling
	Utilization float64
	// https://cloud.google.com/run/pricing, tier 1, by request
	VCPUSecond, GiBSecond, MillionRequests float64
	// https://docs.cloud.google.com/tasks/docs/quotas
	QueueRate, TaskCallsPerMinute int
	// https://cloud.google.com/pubsub/pricing, for publishing and for each subscription
	PubSubTiB, PubSubBytes float64
	// https://docs.cloud.google.com/storage/docs/request-rate, of a bucket at first
	StoreReads int
	// https://cloud.google.com/tasks/pricing, of at most 32 KB each
	MillionOperations float64
	// https://docs.cloud.google.com/tasks/docs/manage-cloud-task-scaling
	RampStart, RampFactor float64
	RampStep              time.Duration
	// https://cloud.google.com/stackdriver/pricing
	LogGiB float64
	// https://docs.cloud.google.com/secret-manager/quotas
	SecretsPerMinute int
}

var scaling = model{
	CPU: 170 * time.Microsecond, Memory: 60.1, LogBytes: 480,
	Latency: 200 * time.Millisecond, TaskLatency: 50 * time.Millisecond, Streams: 100,
	Concurrency: 250, Instances: 10, InstanceGiB: 0.25,
	Utilization: 0.6, VCPUSecond: 0.000024, GiBSecond: 0.0000025, MillionRequests: 0.40,
	QueuedCPU: 1.4, TaskCPU: 1.4, ReceiptCPU: 1.5, EventCPU: 1.1, DeliveryCPU: 1.2, StoreCPU: 1.3,
	Undelivered: 0.1, Receipts: 2,
	QueueRate: 500, TaskCallsPerMinute: 6_000_000, MillionOperations: 0.40,
	PubSubTiB: 40, PubSubBytes: 1000, StoreReads: 5000,
	RampStart: 500, RampFactor: 1.5, RampStep: 5 * time.Minute,
	LogGiB: 0.50, SecretsPerMinute: 90_000,
}

// An instance refreshes three secrets: the agent ID, the credentials and the API keys.
const (
	secretsPerInstance = 3
	refreshMinutes     = 5
)

// need has the requirements for sending at a rate.
type need struct {
	inFlight  float64
	instances int
	dollars   float64 // per million messages
}

// work returns the requirements for a number of requests per message, which take latency
// together, and the CPU of a number of plain messages.
func (m model) work(rate, requests, cpu float64, latency time.Duration) need {
	byRequests := rate * latency.Seconds() / (m.Utilization * float64(m.Concurrency))
	byCPU := rate * cpu * m.CPU.Seconds() / m.Utilization
	out := need{inFlight: rate * latency.Seconds()}
	out.instances = int(math.Ceil(max(byRequests, byCPU)))
	seconds := float64(out.instances) * 1e6 / rate
	out.dollars = seconds*(m.VCPUSecond+m.InstanceGiB*m.GiBSecond) + requests*(m.MillionRequests+1e6*m.LogBytes/(1<<30)*m.LogGiB)
	return out
}

// direct returns the requirements without a queue.
func (m model) direct(rate float64) need { return m.work(rate, 1, 1, m.Latency) }

// queued returns the requirements with a queue: two requests to the function and two
// operations of the queue per message.
func (m model) queued(rate float64) need {
	out := m.work(rate, 2, m.QueuedCPU+m.TaskCPU, m.Latency+m.TaskLatency)
	out.dollars += 2 * m.MillionOperations
	return out
}

// events returns the events per message with a fallback in time. If it goes to the fallback,
// that is one.
func (m model) events() float64 { return (1-m.Undelivered)*m.Receipts + m.Undelivered }

// late returns the requirements for messages with a fallback in time, through a queue, whose
// events reach one target through a queue or as a topic.
func (m model) late(rate float64, topic bool) need {
	u, task := m.Undelivered, m.TaskLatency.Seconds()
	requests := 2 + (1-u)*m.Receipts + 2*u // accept, send; receipts, or watch and fallback
	cpu := m.QueuedCPU + m.TaskCPU + (1-u)*(m.ReceiptCPU+(m.Receipts-1)*m.EventCPU) + 2*u*m.TaskCPU
	seconds := 2*task + m.Latency.Seconds() + (1-u)*(1+m.Receipts)*task + 2*u*m.Latency.Seconds()
	operations := 4*(1-u) + 8*u
	byTask := m.events()
	if topic {
		byTask = u // the function itself causes the event fallback, and RBM would not repeat it
	}
	requests, cpu, seconds, operations = requests+byTask, cpu+byTask*m.DeliveryCPU, seconds+byTask*m.Latency.Seconds(), operations+2*byTask
	out := m.work(rate, requests, cpu, time.Duration(seconds*float64(time.Second)))
	out.dollars += operations * m.MillionOperations
	if topic {
		out.dollars += m.events() * 1e6 * 2 * m.PubSubBytes / (1 << 40) * m.PubSubTiB
	}
	return out
}

// A limit is the rate of messages at which a part of a function stops to suffice.
type limit struct {
	part, fix string
	rate      float64
}

// limits are those of messages with a fallback in time, of one function.
func (m model) limits() []limit {
	queue, u := float64(m.QueueRate), m.Undelivered
	calls := (1-u)*3 + u*5 + m.events() // add and delete
	instances := float64(m.Instances) * 1e4 / float64(m.late(1e4, true).instances)
	return []limit{
		{"`RCSHOOK_EVENTS_QUEUE`, with one target", "a `topic` as the only target, without this queue", queue / m.events()},
		{"`RCSHOOK_QUEUE`, if it sends too", "sources with a `queue` of their own", queue / (1 + 2*u)},
		{"the queue of one source", "more sources", queue},
		{"`RCSHOOK_QUEUE` for watches, fallbacks and their events", "a function for each brand", queue / (3 * u)},
		{fmt.Sprintf("%d instances (`--max-instances`)", m.Instances), "more instances", instances},
		{"first reads of opt-outs in one bucket, for promotions", "start slowly: Cloud Storage adapts within minutes", float64(m.StoreReads)},
		{"calls of Cloud Tasks, for a project and region", "ask Google, or use several regions", float64(m.TaskCallsPerMinute) / 60 / calls},
	}
}

// lateTables returns the tables of messages with a fallback in docs/scaling.md.
func (m model) lateTables() string {
	var b strings.Builder
	b.WriteString("| messages per second | events per second | queues of sources | functions | instances | $ per million | functions, topic | instances, topic | $ per million, topic |\n")
	b.WriteString("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n")
	functions := func(rate, dispatches float64) int { return int(math.Ceil(rate * dispatches / float64(m.QueueRate))) }
	for _, rate := range []float64{100, 500, 1000, 2000, 5000, 10_000} {
		tasks, topic := m.late(rate, false), m.late(rate, true)
		fmt.Fprintf(&b, "| %s | %s | %d | %d | %d | %.2f | %d | %d | %.2f |\n", thousands(int(rate)), thousands(int(rate*m.events())), functions(rate, 1),
			functions(rate, max(m.events(), 2*m.Undelivered)), tasks.instances, tasks.dollars, functions(rate, 3*m.Undelivered), topic.instances, topic.dollars)
	}
	b.WriteString("\n| part of one function | suffices until, messages per second | then |\n| --- | ---: | --- |\n")
	for _, l := range m.limits() {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", l.part, thousands(int(l.rate)), l.fix)
	}
	return b.String()
}

// ramp returns the time in which an idle queue should reach a rate.
func (m model) ramp(rate float64) time.Duration {
	if rate <= m.RampStart {
		return 0
	}
	return time.Duration(math.Ceil(math.Log(rate/m.RampStart)/math.Log(m.RampFactor))) * m.RampStep
}

// table returns the table of docs/scaling.md.
func (m model) table() string {
	var b strings.Builder
	b.WriteString("| messages per second | time per million | in flight | instances | $ per million | queues | instances, queued | $ per million, queued | ramp |\n")
	b.WriteString("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n")
	for _, rate := range []float64{10, 50, 500, 1000, 2000, 5000, 10_000} {
		d, q := m.direct(rate), m.queued(rate)
		fmt.Fprintf(&b, "| %s | %s | %s | %d | %.2f | %d | %d | %.2f | %s |\n",
			thousands(int(rate)), short(time.Duration(1e6/rate)*time.Second), thousands(int(d.inFlight)), d.instances, d.dollars,
			int(math.Ceil(rate/float64(m.QueueRate))), q.instances, q.dollars, short(m.ramp(rate)))
	}
	return b.String()
}

func short(d time.Duration) string {
	switch {
	case d == 0:
		return "none"
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0f min", d.Minutes())
	default:
		return fmt.Sprintf("%.0f h", d.Hours())
	}
}

func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d,%03d", n/1000, n%1000)
}

var updateScaling = flags.Bool("update-scaling", false, "write the table to docs/scaling.md")

var (
	tableOfScaling = regexp.MustCompile(`(?s)\| messages per second \| time.*?\n\n`)
	tablesOfLate   = regexp.MustCompile(`(?s)\| messages per second \| events.*?\n\n.*?\n\n`)
)

// TestScaling compares the numbers in docs/scaling.md with the model:
//
//	go test ./internal/docstest -run TestScaling -update-scaling
func TestScaling(t *testing.T) {
	page, err := os.ReadFile("docs/scaling.md")
	if err != nil {
		t.Fatal(err)
	}
	if *updateScaling {
		page = tableOfScaling.ReplaceAllLiteral(page, []byte(scaling.table()+"\n"))
		page = tablesOfLate.ReplaceAllLiteral(page, []byte(scaling.lateTables()+"\n"))
		if err := os.WriteFile("docs/scaling.md", page, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(scaling.table()+"\n", string(tableOfScaling.Find(page))); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(scaling.lateTables()+"\n", string(tablesOfLate.Find(page))); diff != "" {
		t.Errorf("tables of messages with a fallback (-want +got):\n%s", diff)
	}
	top := scaling.direct(10_000)
	facts := map[string]string{
		"share of fallbacks":            fmt.Sprintf("%.0f %% of the messages", 100*scaling.Undelivered),
		"CPU of a promotion":            fmt.Sprintf("%.1f times the CPU", scaling.StoreCPU),
		"dispatches of a queue":         fmt.Sprintf("at most %d tasks a second", scaling.QueueRate),
		"CPU per request":               fmt.Sprintf("%.2f ms", scaling.CPU.Seconds()*1000),
		"memory with 256 at once":       fmt.Sprintf("%.0f MB", scaling.Memory),
		"messages per instance, by CPU": fmt.Sprintf("%s messages a second", thousands(int(math.Round(scaling.Utilization/scaling.CPU.Seconds())))),
		"messages, by concurrency":      fmt.Sprintf("%.0f messages a second", scaling.Utilization*float64(scaling.Concurrency)/scaling.Latency.Seconds()),
		"secrets at the highest rate":   fmt.Sprintf("%d a minute", int(math.Ceil(float64(top.instances*secretsPerInstance)/refreshMinutes))),
		"quota of secrets":              thousands(scaling.SecretsPerMinute) + " a minute",
		"requests per instance":         fmt.Sprintf("%d requests at once", rbm.NewTransport().MaxConnsPerHost*scaling.Streams),
		"instances in deploy.sh":        fmt.Sprintf("`--max-instances` (%d", scaling.Instances),
	}
	words := strings.Join(strings.Fields(string(page)), " ")
	for name, text := range facts {
		if !strings.Contains(words, text) {
			t.Errorf("%s: %q is missing in docs/scaling.md", name, text)
		}
	}
	if need := rbm.NewTransport().MaxConnsPerHost * scaling.Streams; need < scaling.Concurrency {
		t.Errorf("the connections of an instance carry %d requests, want at least %d", need, scaling.Concurrency)
	}
	if rate := float64(top.instances * secretsPerInstance); rate > float64(scaling.SecretsPerMinute) {
		t.Errorf("%v secrets per minute exceed the quota", rate)
	}
	script, err := os.ReadFile("deploy/deploy.sh")
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		fmt.Sprintf("concurrency=%d min_instances=0 max_instances=%d", scaling.Concurrency, scaling.Instances),
		fmt.Sprintf("--cpu=1 --memory=%.0fMi", scaling.InstanceGiB*1024),
	} {
		if !strings.Contains(string(script), text) {
			t.Errorf("deploy.sh does not contain %q", text)
		}
	}
}
