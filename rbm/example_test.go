package rbm_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/rcshook/rcshook/rbm"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

var ctx = context.Background()

// start starts a simulator and returns a client for it. With the real platform, a Config
// has no Endpoint, and its Token comes from a service account key.
func start() (*rbm.Client, *rbmtest.Simulator, func()) {
	sim := new(rbmtest.Simulator)
	server := httptest.NewServer(sim)
	token := sim.Token()
	client, err := rbm.New(rbm.Config{
		AgentID:  "harborline_k3x9a1bc_agent",
		Token:    func(context.Context) (string, error) { return token, nil },
		Endpoint: server.URL,
	})
	if err != nil {
		log.Fatal(err)
	}
	return client, sim, func() { sim.Close(); server.Close() }
}

func Example() {
	client, sim, stop := start()
	defer stop()

	id := client.MessageID("+12025550123", "order-1042-shipped")
	_, err := client.SendMessage(ctx, "+12025550123", id, rbm.Text("Your order has shipped."))
	fmt.Println(err)
	fmt.Println(string(sim.Messages()[0].AgentMessage))
	// Output:
	// <nil>
	// {"contentMessage":{"text":"Your order has shipped."}}
}

func ExampleClient_SendMessage() {
	client, _, stop := start()
	defer stop()

	message := rbm.Text("When shall we deliver?", rbm.ReplyWith("Morning", "ORDER_1042_AM"), rbm.OpenURL("Track it", "https://shop.example/t/1042"))
	message.MessageTrafficType = rbm.TrafficTransaction
	message.TTL = rbm.Duration(4 * time.Hour)
	sent, err := client.SendMessage(ctx, "+12025550123", "2f1d5a52-5b47-5d0c-8a9e-0a3f8f6f3c11", message)
	fmt.Println(sent.Name, err)
	// Output: phones/+12025550123/agentMessages/2f1d5a52-5b47-5d0c-8a9e-0a3f8f6f3c11 <nil>
}

// Send an SMS if the user has no RCS.
func ExampleError() {
	client, _, stop := start()
	defer stop()

	_, err := client.SendMessage(ctx, "+12025550104", "m-1", rbm.Text("Hello"))
	if errors.Is(err, rbm.ErrUnreachable) {
		fmt.Println("send an SMS:", err)
	}
	if e, ok := errors.AsType[*rbm.Error](err); ok {
		fmt.Println(e.StatusCode, e.Status, e.Attempts)
	}
	// Output:
	// send an SMS: rbm: phones.agentMessages.create: 404 NOT_FOUND: the user cannot be reached by RCS from this agent
	// 404 NOT_FOUND 1
}

func ExampleInvalidMessageError() {
	client, _, stop := start()
	defer stop()

	_, err := client.SendMessage(ctx, "+12025550123", "m-1", rbm.Text("", rbm.Dial("Call us", "202-555-0123")))
	if e, ok := errors.AsType[*rbm.InvalidMessageError](err); ok {
		for _, v := range e.Violations {
			fmt.Println(v)
		}
	}
	// Output:
	// /contentMessage: needs one of text, fileName, uploadedRbmFile, richCard, contentInfo
	// /contentMessage/suggestions/0/action/dialAction/phoneNumber: must contain only digits, +, * and #
}

func ExampleAgentMessage_Check() {
	message := rbm.Text("Hi", rbm.Reply("This label is longer than the platform allows"))
	for _, v := range message.Check(time.Now()) {
		fmt.Println(v)
	}
	// Output: /contentMessage/suggestions/0/reply/text: must be at most 25 characters, not 45
}

func ExampleCheckAgentMessage() {
	_, violations := rbm.CheckAgentMessage([]byte(`{"content_message": {"txt": "Hello"}, "ttl": "5m"}`), time.Now())
	for _, v := range violations {
		fmt.Println(v)
	}
	// Output:
	// /content_message/txt: is an unknown field; did you mean text?
	// /ttl: must be a number of seconds with the suffix s, such as 600s
	// /content_message: needs one of text, fileName, uploadedRbmFile, richCard, contentInfo
}

func ExampleCarousel() {
	message := rbm.Carousel([]rbm.CardContent{
		{Title: "Trail shoe", Media: rbm.MediaAt("https://cdn.example.com/1.jpg"), Suggestions: []rbm.Suggestion{rbm.OpenURL("Buy", "https://shop.example/1")}},
		{Title: "Road shoe", Media: rbm.MediaAt("https://cdn.example.com/2.jpg"), Suggestions: []rbm.Suggestion{rbm.Reply("More")}},
	}, rbm.Reply("Stop"))
	data, err := message.Encode()
	fmt.Println(len(data), "bytes,", len(message.Check(time.Now())), "violations,", err)
	// Output: 545 bytes, 0 violations, <nil>
}

func ExampleAgentMessage_Billing() {
	fmt.Println(rbm.Text("Your order has shipped.").Billing().Class)
	fmt.Println(rbm.Text(strings.Repeat("Your order has shipped. ", 10)).Billing())
	// Output:
	// basic
	// {rich 2}
}

func ExampleClient_UploadFile() {
	client, _, stop := start()
	defer stop()

	file, err := client.UploadFile(ctx, &rbm.Upload{
		Content:     bytes.NewReader(make([]byte, 600<<10)),
		ContentType: "image/png",
		ChunkSize:   256 << 10,
		Progress:    func(confirmed int64) { fmt.Println(confirmed, "bytes") },
	})
	fmt.Println(strings.HasPrefix(file.Name, "files/"), err)
	// Output:
	// 262144 bytes
	// 524288 bytes
	// 614400 bytes
	// true <nil>
}

func ExampleClient_BatchGetUsers() {
	client, _, stop := start()
	defer stop()

	found, err := client.BatchGetUsers(ctx, []string{"+12025550123", "+12025550104"})
	fmt.Println(found.ReachableUsers, err)
	// Output: [+12025550123] <nil>
}

// A webhook that replies to every text message. The ID of the reply depends on the ID of
// the message, so that an event that comes twice causes one reply.
func ExampleWebhook() {
	client, sim, stop := start()
	defer stop()

	server := httptest.NewServer(&rbm.Webhook{ClientToken: "token from the console", Handle: func(ctx context.Context, e rbm.Event) error {
		message, ok := e.(*rbm.UserMessage)
		if !ok || message.Text == "" {
			return nil // a receipt or a tap
		}
		id := client.MessageID(message.SenderPhoneNumber, "reply to "+message.MessageID)
		_, err := client.SendMessage(ctx, message.SenderPhoneNumber, id, rbm.Text("You wrote: "+message.Text))
		return err
	}})
	defer server.Close()

	// The simulator plays the user.
	if _, err := sim.Connect(ctx, rbmtest.WebhookConfig{URL: server.URL, ClientToken: "token from the console"}); err != nil {
		log.Fatal(err)
	}
	if _, err := sim.Act(rbmtest.UserAction{Action: rbmtest.ActionText, Phone: "+12025550123", AgentID: "harborline_k3x9a1bc_agent", Text: "Ahoy"}); err != nil {
		log.Fatal(err)
	}
	if err := sim.Flush(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(sim.Messages()[0].AgentMessage))
	// Output: {"contentMessage":{"text":"You wrote: Ahoy"}}
}
