// Command gcloud is the stand-in as a program. GCLOUD_STATE names the folder of its project.
package main

import (
	"fmt"
	"os"

	"github.com/rcshook/rcshook/internal/deploytest/gcloudtest"
)

func main() {
	if err := gcloudtest.Run(os.Getenv("GCLOUD_STATE"), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "ERROR: (gcloud)", err)
		os.Exit(1)
	}
}
