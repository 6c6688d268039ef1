package drain

import (
	"context"
	"sync"
)

// A cancellation ends many contexts at once. The zero value is ready to use.
type cancellation struct {
	once sync.Once
	ctx  context.Context //nolint:containedctx // of nobody: it ends those of others
	end  context.CancelFunc
}

func (c *cancellation) begin() {
	c.ctx, c.end = context.WithCancel(context.Background())
}

// join returns a context that ends with ctx or with the cancellation.
func (c *cancellation) join(ctx context.Context) (context.Context, context.CancelFunc) {
	c.once.Do(c.begin)
	ctx, cancel := context.WithCancel(ctx)
	leave := context.AfterFunc(c.ctx, cancel)
	return ctx, func() { leave(); cancel() }
}

func (c *cancellation) cancel() {
	c.once.Do(c.begin)
	c.end()
}
