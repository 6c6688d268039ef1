package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/rcshook/rcshook/internal/config"
	"github.com/rcshook/rcshook/rbm"
)

// fiction is a number that belongs to nobody: the range +1 202 555 0100 to 0199 is
// set aside for fiction. To ask what its phone can do reaches no phone, and the
// platform looks at the credentials and the agent first.
//
// Assumption: that order of its checks, of which no document speaks.
const fiction = "+12025550100"

// platforms checks the way to the hosts of the platform: without a token the API
// refuses in a form of its own, and anybody else answers otherwise.
func (e *examination) platforms(ctx context.Context) {
	if len(e.cfg.Agents) == 0 {
		e.skip(Platform, "", File, "")
		return
	}
	seen := make(map[string]bool)
	for _, name := range e.agentNames() {
		region := e.region(name)
		if seen[e.host(region)] {
			continue
		}
		seen[e.host(region)] = true
		e.platform(ctx, region)
	}
}

func (e *examination) region(agent string) string {
	if r := e.cfg.Agents[agent].Region; r != "" {
		return r
	}
	return e.cfg.Region
}

// host is that of a region, or of the endpoint that the settings name.
func (e *examination) host(region string) string {
	client, err := e.client("doctor", "", region)
	if err != nil {
		return ""
	}
	u, err := url.Parse(client.MessageURL(fiction, "doctor"))
	if err != nil {
		return ""
	}
	return u.Host
}

func (e *examination) platform(ctx context.Context, region string) {
	host := e.host(region)
	ctx, cancel := e.bound(ctx)
	defer cancel()
	client, err := e.client("doctor", "", region)
	if err == nil {
		_, err = client.Capabilities(ctx, fiction)
	}
	remote := (*rbm.Error)(nil)
	if !errors.As(err, &remote) {
		e.add(Warning, Platform, host, "it answers without asking for a token, so it is not the platform", "See whether RCSHOOK_RBM_ENDPOINT is meant")
		return
	}
	switch proxied := remote.StatusCode != 0 && (remote.Foreign || remote.Err != nil); {
	case proxied:
		e.add(Fault, Platform, host, fmt.Sprintf("HTTP %d with the page of somebody else: this is not the API", remote.StatusCode), e.adviseProxy()...)
	case remote.Err != nil:
		e.add(Fault, Platform, host, wording(remote), e.adviseNetwork(remote.Err, host)...)
	case errors.Is(err, rbm.ErrUnauthenticated), remote.StatusCode < 500 && remote.StatusCode != 429:
		e.add(OK, Platform, host, "it answers as the API does")
	default:
		e.add(Fault, Platform, host, wording(remote), "Try again later: the platform is in trouble. If it lasts, see status.cloud.google.com")
	}
}

// wording is what happened, without the name of the package and the method.
func wording(e *rbm.Error) string {
	return strings.TrimPrefix(e.Error(), "rbm: "+e.Method+": ")
}

func (e *examination) adviseProxy() []string {
	if e.cfg.RBMEndpoint != "" {
		return []string{
			"Correct RCSHOOK_RBM_ENDPOINT, or remove it to use Google's host: " + e.Service.update() + " --remove-env-vars=RCSHOOK_RBM_ENDPOINT",
			"Or let the proxy on the way (HTTPS_PROXY) pass requests to this host unchanged",
		}
	}
	return []string{"Let the proxy on the way (HTTPS_PROXY, or one of the network) pass requests to this host unchanged"}
}

func (e *examination) adviseNetwork(err error, host string) []string {
	var (
		name        *net.DNSError
		certificate *tls.CertificateVerificationError
	)
	see := "Try it from this machine: curl -sS https://" + host + "/"
	if config.IsLoopback(e.cfg.RBMEndpoint) {
		return []string{"Start what should listen at " + e.cfg.RBMEndpoint + ", as rcshook dev does, or remove RCSHOOK_RBM_ENDPOINT to use Google's host"}
	}
	switch {
	case errors.As(err, &name):
		return []string{"See to the name service of this machine or network: nslookup " + host}
	case errors.As(err, &certificate):
		return []string{"A proxy opens the connection, or the certificates of this machine are old: trust the proxy's certificate (SSL_CERT_FILE), or have it leave this host alone", see}
	}
	return []string{"Let the network reach this host at port 443: a firewall, a VPC connector without a way out, or HTTPS_PROXY is in the way", see}
}
