// Command main makes one request of each kind, and prints the results.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"example.com/app/rcs"
)

func main() {
	ctx, client, none := context.Background(), newClient(key(os.Getenv("RCS_KEY"))), rcs.SendMessageParams{}
	const phone, offline, unreachable = "+12025550123", "+12025550108", "+12025550104"
	text := rcs.NewOptString
	for _, m := range []rcs.Message{
		{To: []string{phone}, Text: text("A text"), Buttons: []rcs.Button{{Label: text("Map"), Latitude: rcs.NewOptFloat64(0), Longitude: rcs.NewOptFloat64(-78.45)}}},
		{
			To: []string{phone}, Traffic: rcs.NewOptTraffic(rcs.TrafficTransaction),
			Card: rcs.NewOptCard(rcs.Card{Title: text("A card"), Image: text("https://example.com/a.jpg"), Height: rcs.NewOptHeight(rcs.HeightTall)}),
		},
		{To: []string{phone}, CardWidth: rcs.NewOptCardWidth(rcs.CardWidthSmall), Cards: []rcs.Card{{Title: text("One")}, {Title: text("Two")}}},
	} {
		res, err := client.SendMessage(ctx, &m, none)
		check(err)
		fmt.Println("send", res.Code)
	}
	found, err := client.LookUpNumbers(ctx, &rcs.Numbers{To: []string{phone}})
	check(err)
	fmt.Println("look up", found.Code, found.Reachable.Value, found.ReachableNumbers)
	sent, err := client.SendMessage(ctx, &rcs.Message{To: []string{offline}, Text: text("Hello")}, none)
	check(err)
	revoked, err := client.RevokeMessage(ctx, rcs.RevokeMessageParams{MessageID: sent.MessageID.Value, To: offline})
	check(err)
	fmt.Println("revoke", revoked.Code)
	event, err := client.SampleEvent(ctx, rcs.SampleEventParams{Type: rcs.EventTypeLocation})
	check(err)
	fmt.Println("event", event.Type, event.Phone, event.Latitude.Value)
	_, err = client.SendMessage(ctx, &rcs.Message{To: []string{unreachable}, Text: text("Hello")}, none)
	f := failure(err)
	fmt.Println("failure", f.StatusCode, f.Response.Code, f.Response.Retry == rcs.RetryNever, f.Response.Message)
	both := &rcs.Message{To: []string{phone, unreachable}, Text: text("Hello")}
	_, err = client.SendMessage(ctx, both, none)
	f = failure(err)
	fmt.Println("mixed", f.StatusCode, f.Response.Code, len(f.Response.Results))
	_, err = client.SendMessage(ctx, both, rcs.SendMessageParams{Profile: rcs.NewOptProfile(rcs.ProfileAll)})
	fmt.Println("all", failure(err).StatusCode)
	_, err = newClient("wrong").About(ctx)
	f = failure(err)
	fmt.Println("key", f.StatusCode, f.Response.Message)
	about, err := client.About(ctx)
	check(err)
	fmt.Println("about", about.Name, about.Agents)
}

type key string

func (k key) Bearer(context.Context, rcs.OperationName) (rcs.Bearer, error) {
	return rcs.Bearer{Token: string(k)}, nil
}

func newClient(k key) *rcs.Client {
	client, err := rcs.NewClient("http://localhost:8080", k)
	check(err)
	return client
}

func failure(err error) *rcs.ResultStatusCode {
	var f *rcs.ResultStatusCode
	if !errors.As(err, &f) {
		panic(fmt.Sprint("expected a failure, got ", err))
	}
	return f
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
