package rbmtest_test

import (
	"context"
	"fmt"
	"time"

	"github.com/rcshook/rcshook/rbm"
	"github.com/rcshook/rcshook/rbm/rbmtest"
)

func ExampleNewServer() {
	srv := rbmtest.NewServer()
	defer srv.Close()
	client := srv.Client("my_brand_k3x9a1bc_agent")
	_, err := client.SendMessage(context.Background(), "+12025550123", "4f1b8f52-3f6e-4d2b-9a51-6c1d7f0e2a93", rbm.Text("Your order has shipped."))
	fmt.Println(err, string(srv.Messages()[0].AgentMessage))
	// Output: <nil> {"contentMessage":{"text":"Your order has shipped."}}
}

// A test can make the platform fail.
func ExampleSimulator_Fail() {
	srv := rbmtest.NewServer()
	defer srv.Close()
	srv.Fail(rbmtest.Failure{Method: "phones.agentMessages.create", Status: 503, Count: 1, PerID: true})
	srv.Fail(rbmtest.Failure{Method: "token", Delay: time.Second, Count: 1})
	fmt.Println(len(srv.Failures()), "failures to come")
	// Output: 2 failures to come
}
