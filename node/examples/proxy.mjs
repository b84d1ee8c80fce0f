// A client that connects through a proxy: node proxy.mjs URL PROXY
// where PROXY is http://host:port or socks5h://host:port
import { HttpsProxyAgent } from 'https-proxy-agent';
import { SocksProxyAgent } from 'socks-proxy-agent';
import WebSocket from 'hybi';

const [url, proxy] = process.argv.slice(2);
const Agent = proxy.startsWith('socks') ? SocksProxyAgent : HttpsProxyAgent;
const ws = new WebSocket(url, { agent: new Agent(proxy) });

ws.on('error', (err) => console.log('error: %s', err.message));

ws.on('open', () => {
  ws.send('through a proxy');
});

ws.on('message', (data) => {
  console.log('received: %s', data);
  ws.close();
});
