package rbm_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/rcshook/rcshook/rbm"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

// platform starts an imitation of the platform and returns a client for it. With
// the real one a Config has no Endpoint, and a Token that comes from a key file.
func platform() (*rbm.Client, *rbmtest.Simulator, func()) {
	sim := new(rbmtest.Simulator)
	server := httptest.NewServer(sim)
	token := sim.Token()
	client, err := rbm.New(rbm.Config{
		AgentID:  "harbour_k3x9a1bc_agent",
		Token:    func(context.Context) (string, error) { return token, nil },
		Endpoint: server.URL,
	})
	if err != nil {
		log.Fatal(err)
	}
	return client, sim, func() { sim.Close(); server.Close() }
}

func Example() {
	client, sim, stop := platform()
	defer stop()

	const phone = "+12025550123"
	id := client.MessageID(phone, "order-1042-shipped")
	for range 2 { // as a caller does that was not sure whether it worked
		_, err := client.SendMessage(context.Background(), phone, id, rbm.Text("Your order has shipped."))
		if err != nil {
			log.Fatal(err)
		}
	}
	for _, m := range sim.Messages() {
		fmt.Println(m.To, m.State, string(m.AgentMessage))
	}
	// Output: +12025550123 delivered {"contentMessage":{"text":"Your order has shipped."}}
}

func ExampleClient_SendMessage() {
	client, _, stop := platform()
	defer stop()

	message := rbm.Text("Your order has shipped. Shall we ring before we come?",
		rbm.Reply("Yes"), rbm.Reply("No"), rbm.OpenURL("Track it", "https://shop.example/t/1042"))
	message.MessageTrafficType = rbm.TrafficTransaction
	message.TTL = rbm.Duration(4 * time.Hour)

	sent, err := client.SendMessage(context.Background(), "+12025550123", "2f1d5a52-5b47-5d0c-8a9e-0a3f8f6f3c11", message)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(sent.Name)
	// Output: phones/+12025550123/agentMessages/2f1d5a52-5b47-5d0c-8a9e-0a3f8f6f3c11
}

// What went wrong decides what to do next.
func ExampleError() {
	client, _, stop := platform()
	defer stop()

	_, err := client.SendMessage(context.Background(), "+12025550104", "m-1", rbm.Text("Hello"))
	var failure *rbm.Error
	switch {
	case err == nil:
		fmt.Println("sent")
	case errors.Is(err, rbm.ErrUnreachable):
		fmt.Println("send an SMS instead:", err)
	case errors.Is(err, rbm.ErrRateLimited) && errors.As(err, &failure):
		fmt.Println("send again, with the same ID, after", failure.RetryAfter)
	default:
		fmt.Println(err)
	}
	// Output: send an SMS instead: rbm: phones.agentMessages.create: 404 NOT_FOUND: the user cannot be reached by RCS from this agent
}

func ExampleAgentMessage_Check() {
	message := rbm.Text("", rbm.Reply("This label is longer than the platform allows"), rbm.Dial("Ring us", "202-555-0123"))
	for _, v := range message.Check(time.Now()) {
		fmt.Println(v)
	}
	// Output:
	// /contentMessage: needs one of text, fileName, uploadedRbmFile, richCard, contentInfo
	// /contentMessage/suggestions/0/reply/text: must be at most 25 characters, not 45
	// /contentMessage/suggestions/1/action/dialAction/phoneNumber: must contain only digits, +, * and #
}

func ExampleCheckAgentMessage() {
	_, violations := rbm.CheckAgentMessage([]byte(`{
		"content_message": {"txt": "Hello"},
		"messageTrafficType": "SERVICE_REQUEST"
	}`), time.Now())
	for _, v := range violations {
		fmt.Println(v)
	}
	// Output:
	// /content_message/txt: is an unknown field; did you mean text?
	// /messageTrafficType: must be one of AUTHENTICATION, TRANSACTION, PROMOTION, SERVICEREQUEST, ACKNOWLEDGEMENT; did you mean SERVICEREQUEST?
	// /content_message: needs one of text, fileName, uploadedRbmFile, richCard, contentInfo
}

func ExampleCarousel() {
	message := rbm.Carousel([]rbm.CardContent{
		{Title: "Trail shoe", Media: rbm.MediaAt("https://cdn.example.com/1.jpg"), Suggestions: []rbm.Suggestion{rbm.OpenURL("Buy", "https://shop.example/1")}},
		{Title: "Road shoe", Media: rbm.MediaAt("https://cdn.example.com/2.jpg"), Suggestions: []rbm.Suggestion{rbm.Reply("More")}},
	})
	data, err := message.Encode()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(data), "bytes,", len(message.Check(time.Now())), "violations")
	// Output: 481 bytes, 0 violations
}

func ExampleClient_UploadFile() {
	client, _, stop := platform()
	defer stop()

	file, err := client.UploadFile(context.Background(), &rbm.Upload{
		Content:     bytes.NewReader(make([]byte, 600<<10)),
		ContentType: "image/png",
		ChunkSize:   256 << 10,
		Progress:    func(confirmed int64) { fmt.Println(confirmed, "bytes") },
	})
	if err != nil {
		log.Fatal(err)
	}
	message := &rbm.AgentMessage{ContentMessage: &rbm.AgentContentMessage{
		UploadedRBMFile: &rbm.UploadedRBMFile{FileName: file.Name},
	}}
	if _, err := client.SendMessage(context.Background(), "+12025550123", "m-1", message); err != nil {
		log.Fatal(err)
	}
	// Output:
	// 262144 bytes
	// 524288 bytes
	// 614400 bytes
}

func ExampleClient_BatchGetUsers() {
	client, _, stop := platform()
	defer stop()

	found, err := client.BatchGetUsers(context.Background(), []string{"+12025550123", "+12025550104"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(found.ReachableUsers)
	// Output: [+12025550123]
}

// The webhook of an agent that answers every text message.
func ExampleWebhook() {
	client, sim, stop := platform()
	defer stop()

	hook := &rbm.Webhook{ClientToken: "the token from the console", Handle: func(ctx context.Context, e rbm.Event) error {
		message, ok := e.(*rbm.UserMessage)
		if !ok || message.Text == "" {
			return nil // a receipt, a tap, ...
		}
		// The ID follows from that of the user's message: should the event come
		// again, the answer does not.
		id := client.MessageID(message.SenderPhoneNumber, "answer to "+message.MessageID)
		_, err := client.SendMessage(ctx, message.SenderPhoneNumber, id, rbm.Text("You wrote: "+message.Text))
		return err
	}}
	server := httptest.NewServer(http.Handler(hook))
	defer server.Close()

	// What follows happens on the user's phone.
	ctx := context.Background()
	if err := sim.Connect(ctx, rbmtest.WebhookConfig{URL: server.URL, ClientToken: "the token from the console"}); err != nil {
		log.Fatal(err)
	}
	if _, err := sim.Act(rbmtest.UserAction{Action: rbmtest.ActionText, Phone: "+12025550123", AgentID: "harbour_k3x9a1bc_agent", Text: "Ahoy"}); err != nil {
		log.Fatal(err)
	}
	if err := sim.Flush(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(sim.Messages()[0].AgentMessage))
	// Output: {"contentMessage":{"text":"You wrote: Ahoy"}}
}
