// Socket.IO with its Redis streams adapter, set up as in its documentation: websocket only, session recovery on.
// Publishers write to the adapter's stream; this process only serves viewers.
//
//   node socketio.js REDIS_URL PORT
"use strict";

const { createServer } = require("node:http");
const { createClient } = require("redis");
const { Server } = require("socket.io");
const { createAdapter } = require("@socket.io/redis-streams-adapter");

async function main(url, port) {
  const redis = createClient({ url });
  redis.on("error", (error) => console.error(error));
  await redis.connect();
  const server = createServer();
  const io = new Server(server, {
    adapter: createAdapter(redis, { readCount: 1000, maxLen: 100_000 }),
    connectionStateRecovery: {},
    transports: ["websocket"],
    perMessageDeflate: false,
  });
  io.on("connection", (socket) => socket.join(`log${socket.handshake.query.log}`));
  server.listen(port, "127.0.0.1", 2048);
}

main(process.argv[2], Number(process.argv[3]));
