//go:build !unix

package main

// resourcesNow returns zeros: the resources are unknown on this system.
func resourcesNow() resources { return resources{} }
