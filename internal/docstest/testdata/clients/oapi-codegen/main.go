// Command main makes one request of each kind, and prints the results.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"

	"example.com/app/rcs"
)

func main() {
	ctx, client := context.Background(), newClient(os.Getenv("RCS_KEY"))
	const phone, offline, unreachable = "+12025550123", "+12025550108", "+12025550104"
	send := func(m rcs.Message) *rcs.Result {
		return result(client.SendMessageWithResponse(ctx, nil, m))
	}
	var equator float64
	longitude := -78.45
	for _, m := range []rcs.Message{
		{To: []string{phone}, Text: "A text", Buttons: []rcs.Button{{Label: "Map", Latitude: &equator, Longitude: &longitude}}},
		{To: []string{phone}, Card: rcs.Card{Title: "A card", Image: "https://example.com/a.jpg", Height: rcs.HeightTall}, Traffic: rcs.TrafficTransaction},
		{To: []string{phone}, CardWidth: rcs.CardWidthSmall, Cards: []rcs.Card{{Title: "One"}, {Title: "Two"}}},
	} {
		fmt.Println("send", send(m).Code)
	}
	found, err := client.LookUpNumbersWithResponse(ctx, rcs.Numbers{To: []string{phone}})
	check(err)
	fmt.Println("look up", found.JSON200.Code, found.JSON200.Reachable, found.JSON200.ReachableNumbers)
	sent := send(rcs.Message{To: []string{offline}, Text: "Hello"})
	revoked, err := client.RevokeMessageWithResponse(ctx, sent.MessageID, &rcs.RevokeMessageParams{To: offline})
	check(err)
	fmt.Println("revoke", revoked.JSON200.Code)
	event, err := client.SampleEventWithResponse(ctx, &rcs.SampleEventParams{Type: rcs.EventTypeLocation})
	check(err)
	fmt.Println("event", event.JSON200.Type, event.JSON200.Phone, *event.JSON200.Latitude)
	failure := send(rcs.Message{To: []string{unreachable}, Text: "Hello"})
	fmt.Println("failure", failure.Status, failure.Code, failure.Retry == rcs.RetryNever, failure.Message)
	mixed := send(rcs.Message{To: []string{phone, unreachable}, Text: "Hello"})
	fmt.Println("mixed", mixed.Status, mixed.Code, len(mixed.Results))
	all := result(client.SendMessageWithResponse(ctx, &rcs.SendMessageParams{Profile: rcs.ProfileAll}, rcs.Message{To: []string{phone, unreachable}, Text: "Hello"}))
	fmt.Println("all", all.Status)
	about, err := newClient("wrong").AboutWithResponse(ctx)
	check(err)
	fmt.Println("key", about.ApplicationProblemJSONDefault.Status, about.ApplicationProblemJSONDefault.Message)
	about, err = client.AboutWithResponse(ctx)
	check(err)
	fmt.Println("about", about.JSON200.Name, about.JSON200.Agents)
}

func newClient(key string) *rcs.ClientWithResponses {
	client, err := rcs.NewClientWithResponses("http://localhost:8080", rcs.WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+key)
		return nil
	}))
	check(err)
	return client
}

func result(res *rcs.SendMessageResponse, err error) *rcs.Result {
	check(err)
	if res.JSON200 != nil {
		return res.JSON200
	}
	return res.ApplicationProblemJSONDefault
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
