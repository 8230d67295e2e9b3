// Node's race: `node_connect.js HOST PORT`. Exit status 0 if it connects, 7 if not.
const [host, port] = process.argv.slice(2);
const socket = require("net").connect({ host, port, autoSelectFamily: true });
socket.on("connect", () => { console.log(socket.remoteAddress); process.exit(0); });
socket.on("error", () => process.exit(7));
