// The conformance suite cannot send a token, and the server answers nobody without one: so it is
// put into every request on its way out, by fetch and by undici alike.
import { Agent, setGlobalDispatcher } from "undici";

const token = `Bearer ${process.env.MCP_TOKEN}`;
const send = globalThis.fetch;
globalThis.fetch = (url, options = {}) => {
  const headers = new Headers(options.headers);
  headers.set("authorization", token);
  return send(url, { ...options, headers });
};
setGlobalDispatcher(
  new Agent().compose((next) => (options, handler) => {
    const given = options.headers;
    const headers = Array.isArray(given) ? [...given] : { ...given };
    if (Array.isArray(headers)) {
      if (!headers.some((each) => String(each).toLowerCase() === "authorization")) {
        headers.push("authorization", token);
      }
    } else {
      headers.authorization = token;
    }
    return next({ ...options, headers }, handler);
  }),
);
