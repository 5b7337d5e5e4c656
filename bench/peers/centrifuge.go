// Centrifuge as users run it on several nodes: history in Redis streams, JSON over websocket. It has two roles, so that
// the measured node only serves viewers:
//
//	centrifuge serve   REDIS PORT   one websocket endpoint, anonymous viewers, recovery on
//	centrifuge publish REDIS PORT   publishes what the feed sends; logs do not wait for each other
//
// A feed message is four bytes of length and two of the log's number, then the bytes (see feed.py).
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"syscall"
	"time"
	"unsafe"

	"github.com/centrifugal/centrifuge"
)

const (
	historySize  = 100000
	historyTTL   = 24 * time.Hour
	waiting      = 4096 // queued messages per log between feed and Redis
	monotonic    = 1    // CLOCK_MONOTONIC, which the viewers use too
	readTimeout  = 30 * time.Second
	backlogBytes = 64 << 20
)

func main() {
	if len(os.Args) != 4 {
		log.Fatal("centrifuge serve|publish REDIS PORT")
	}
	node := startNode(os.Args[2])
	if os.Args[1] == "serve" {
		serve(node, os.Args[3])
	} else {
		publish(node, os.Args[3])
	}
}

func startNode(address string) *centrifuge.Node {
	config := centrifuge.DefaultConfig
	config.ClientQueueMaxSize = backlogBytes // count a server that falls behind, do not cut it off
	config.LogLevel = centrifuge.LogLevelError
	config.LogHandler = func(entry centrifuge.LogEntry) { log.Print(entry.Message, entry.Fields) }
	node, err := centrifuge.New(config)
	must(err)
	shard, err := centrifuge.NewRedisShard(node, centrifuge.RedisShardConfig{Address: address, ReadTimeout: readTimeout})
	must(err)
	broker, err := centrifuge.NewRedisBroker(node, centrifuge.RedisBrokerConfig{
		UseStreams:     true,
		HistoryMetaTTL: 2 * historyTTL,
		Shards:         []*centrifuge.RedisShard{shard},
	})
	must(err)
	node.SetBroker(broker)
	node.OnConnecting(func(context.Context, centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
		return centrifuge.ConnectReply{Credentials: &centrifuge.Credentials{}}, nil
	})
	node.OnConnect(func(client *centrifuge.Client) {
		client.OnSubscribe(func(_ centrifuge.SubscribeEvent, reply centrifuge.SubscribeCallback) {
			reply(centrifuge.SubscribeReply{Options: centrifuge.SubscribeOptions{Recover: true}}, nil)
		})
	})
	must(node.Run())
	return node
}

func serve(node *centrifuge.Node, port string) {
	http.Handle("/connection/websocket", centrifuge.NewWebsocketHandler(node, centrifuge.WebsocketConfig{}))
	must(http.ListenAndServe("127.0.0.1:"+port, nil))
}

func publish(node *centrifuge.Node, port string) {
	listener, err := net.Listen("tcp", "127.0.0.1:"+port)
	must(err)
	for {
		connection, err := listener.Accept()
		must(err)
		go readFeed(node, connection)
	}
}

func readFeed(node *centrifuge.Node, connection net.Conn) {
	reader := bufio.NewReaderSize(connection, 1<<20)
	logs := map[uint16]chan []byte{}
	head := make([]byte, 6)
	for {
		if _, err := io.ReadFull(reader, head); err != nil {
			return
		}
		message := make([]byte, binary.BigEndian.Uint32(head))
		if _, err := io.ReadFull(reader, message); err != nil {
			return
		}
		number := binary.BigEndian.Uint16(head[4:])
		queue, known := logs[number]
		if !known {
			queue = make(chan []byte, waiting)
			logs[number] = queue
			go publishInOrder(node, fmt.Sprintf("log%d", number), queue)
		}
		queue <- message
	}
}

func publishInOrder(node *centrifuge.Node, channel string, queue chan []byte) {
	for message := range queue {
		stamped := bytes.Replace(message, []byte("@now@"), []byte("@"+strconv.FormatInt(now(), 10)+"@"), 1)
		_, err := node.Publish(channel, stamped, centrifuge.WithHistory(historySize, historyTTL))
		must(err)
	}
}

func now() int64 {
	var moment syscall.Timespec
	syscall.Syscall(syscall.SYS_CLOCK_GETTIME, monotonic, uintptr(unsafe.Pointer(&moment)), 0)
	return moment.Nano()
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
