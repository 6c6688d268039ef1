package rbmtest_test

import (
	"context"
	"fmt"
	"net/http/httptest"

	"github.com/rcshook/rcshook/rbm"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

func ExampleSimulator() {
	sim := new(rbmtest.Simulator)
	server := httptest.NewServer(sim)
	defer server.Close()
	defer sim.Close()

	client, err := rbm.New(rbm.Config{
		AgentID:  "my_brand_k3x9a1bc_agent",
		Endpoint: server.URL,
		Token:    func(context.Context) (string, error) { return sim.Token(), nil },
	})
	if err != nil {
		panic(err)
	}
	hello := &rbm.AgentMessage{ContentMessage: &rbm.AgentContentMessage{Text: "Your order has shipped."}}
	id := rbm.MessageID("my_brand_k3x9a1bc_agent", "+12025550123", "order-1042")
	if _, err := client.SendMessage(context.Background(), "+12025550123", id, hello); err != nil {
		panic(err)
	}
	for _, m := range sim.Messages() {
		fmt.Println(m.To, m.State, string(m.AgentMessage))
	}
	// Output: +12025550123 delivered {"contentMessage":{"text":"Your order has shipped."}}
}

// A test can make the platform fail as it would on a bad day.
func ExampleSimulator_Fail() {
	sim := new(rbmtest.Simulator)
	defer sim.Close()

	// Each message is refused once, and accepted when it is sent again.
	sim.Fail(rbmtest.Failure{Method: "phones.agentMessages.create", Status: 503, Count: 1, PerID: true})

	// The next token request hangs for a second.
	sim.Fail(rbmtest.Failure{Method: "token", Delay: 1e9, Count: 1})

	fmt.Println(len(sim.Failures()), "failures to come")
	// Output: 2 failures to come
}
