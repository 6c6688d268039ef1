package main

import (
	"os"

	"golang.org/x/sys/windows"
)

// init makes the console interpret control sequences. The console of Windows 10 prints
// them as characters otherwise.
func init() {
	for _, f := range []*os.File{os.Stdout, os.Stderr} {
		var mode uint32
		if console := windows.Handle(f.Fd()); windows.GetConsoleMode(console, &mode) == nil {
			_ = windows.SetConsoleMode(console, mode|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING) // older consoles cannot
		}
	}
}
