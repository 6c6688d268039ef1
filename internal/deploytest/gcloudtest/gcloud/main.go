// Command gcloud is gcloudtest as a program. GCLOUD_STATE is the folder of its project.
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
