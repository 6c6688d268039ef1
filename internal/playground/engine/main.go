//go:build js

// The engine is the function and the simulator of the playground in WebAssembly, in a
// worker of the page. It gets requests as messages
//
//	{id, method, path, body}
//
// and posts what [demo.Engine] posts. {id, cancel: true} cancels a request. The engine is ready
// when it posts {ready: true}. To {ping: true} it posts {pong: true}: an engine that is busy does
// not, but one whose requests wait does.
package main

import (
	"fmt"
	"os"
	"syscall/js"

	"github.com/rcshook/rcshook/internal/playground/demo"
)

func main() {
	function, err := demo.New(demo.Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	engine := demo.NewEngine(function, post)
	js.Global().Set("onmessage", js.FuncOf(func(_ js.Value, args []js.Value) any {
		message := args[0].Get("data")
		switch {
		case message.Get("ping").Truthy():
			post(map[string]any{"pong": true})
		case message.Get("cancel").Truthy():
			engine.Cancel(message.Get("id").Int())
		default:
			engine.Request(message.Get("id").Int(), message.Get("method").String(), message.Get("path").String(), message.Get("body").String())
		}
		return nil
	}))
	post(map[string]any{"ready": true})
	select {}
}

// post posts a message to the page.
func post(message map[string]any) { js.Global().Call("postMessage", message) }
