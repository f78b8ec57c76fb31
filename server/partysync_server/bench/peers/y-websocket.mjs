// y-websocket's own server, in memory, as its package's command starts it: node y-websocket.mjs PORT
process.env.HOST = "127.0.0.1";
process.env.PORT = process.argv[2];
await import(new URL("node_modules/@y/websocket-server/src/server.js", import.meta.url));
