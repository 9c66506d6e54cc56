package main

import (
	"context"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	wmnats "github.com/ThreeDotsLabs/watermill-nats/v2/pkg/nats"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"
)

// watermillSystem has a router for each stage, with the package for JetStream that its
// authors recommend for production, and streams on files.
type watermillSystem struct{ url string }

// ackWait is the time after which an unacknowledged job is delivered again.
const ackWait = 10 * time.Second

func (s watermillSystem) prepare(ctx context.Context) error {
	conn, err := nats.Connect(s.url)
	if err != nil {
		return err
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	for _, stage := range []string{stagePlan, stageWrite, stageSend} {
		if _, err := js.CreateStream(ctx, jetstream.StreamConfig{
			Name: stage, Subjects: []string{stage}, Retention: jetstream.WorkQueuePolicy, Storage: jetstream.FileStorage,
		}); err != nil {
			return err
		}
	}
	return nil
}

func (s watermillSystem) publisher() (*wmnats.Publisher, error) {
	return wmnats.NewPublisher(wmnats.PublisherConfig{URL: s.url, Marshaler: &wmnats.NATSMarshaler{}}, watermill.NopLogger{})
}

func (s watermillSystem) feed(_ context.Context, stage string, jobs []job) error {
	p, err := s.publisher()
	if err != nil {
		return err
	}
	defer p.Close()
	var all errgroup.Group
	all.SetLimit(workers)
	for _, j := range jobs {
		all.Go(func() error {
			payload, err := j.encode()
			if err != nil {
				return err
			}
			return p.Publish(stage, message.NewMessage(watermill.NewUUID(), payload))
		})
	}
	return all.Wait()
}

func (s watermillSystem) work(ctx context.Context, stage string, send func(context.Context, job) error) error {
	p, err := s.publisher()
	if err != nil {
		return err
	}
	subscriber, err := wmnats.NewSubscriber(wmnats.SubscriberConfig{
		URL: s.url, QueueGroupPrefix: "work", SubscribersCount: workers, AckWaitTimeout: ackWait, Unmarshaler: &wmnats.NATSMarshaler{},
		JetStream: wmnats.JetStreamConfig{
			AckAsync: true, DurablePrefix: "work",
			DurableCalculator: func(prefix, topic string) string { return prefix + "_" + topic },
			SubscribeOptions:  []nats.SubOpt{nats.DeliverAll(), nats.AckExplicit(), nats.AckWait(ackWait), nats.ManualAck(), nats.MaxAckPending(1000)},
		},
	}, watermill.NopLogger{})
	if err != nil {
		return err
	}
	router, err := message.NewRouter(message.RouterConfig{}, watermill.NopLogger{})
	if err != nil {
		return err
	}
	if _, after := next(stage, job{}); after != "" {
		router.AddHandler(stage, stage, subscriber, after, p, func(m *message.Message) ([]*message.Message, error) {
			j, err := decode(m.Payload)
			if err != nil {
				return nil, err
			}
			j, _ = next(stage, j)
			payload, err := j.encode()
			return []*message.Message{message.NewMessage(watermill.NewUUID(), payload)}, err
		})
	} else {
		router.AddConsumerHandler(stage, stage, subscriber, func(m *message.Message) error {
			j, err := decode(m.Payload)
			if err != nil {
				return err
			}
			return send(m.Context(), j)
		})
	}
	return router.Run(ctx)
}
