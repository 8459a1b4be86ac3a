// The client that most frontends use for graphql-transport-ws (graphql-ws) must get along with the server: results,
// mistakes, a subscription that ends when it is told to, and a token that is refused.
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { report, url } from './server.mjs';

const LIMIT_MS = 10_000;
const results = [];
async function check(name, action) {
  try {
    const late = new Promise((_, reject) => setTimeout(() => reject(new Error('too late')), LIMIT_MS).unref());
    results.push({ name, problem: await Promise.race([action(), late]) });
  } catch (error) {
    results.push({ name, problem: String(error?.reason ?? error?.message ?? JSON.stringify(error)) });
  }
}

const client = (token) =>
  createClient({
    url: url.replace(/^http/, 'ws'),
    webSocketImpl: WebSocket,
    retryAttempts: 0,
    connectionParams: token ? { authorization: `Bearer ${token}` } : undefined,
  });

async function ask(query, variables, token) {
  const headers = { 'content-type': 'application/json' };
  if (token) headers.authorization = `Bearer ${token}`;
  const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify({ query, variables }) });
  const { data, errors } = await response.json();
  if (errors) throw new Error(JSON.stringify(errors));
  return data;
}

const guest = client();

await check('a query is answered once', async () => {
  const answers = [];
  for await (const answer of guest.iterate({ query: '{ shop { name } }' })) answers.push(answer);
  return answers.length === 1 && answers[0].data.shop.name ? undefined : JSON.stringify(answers);
});

await check('a mistake is an error of the operation, not of the connection', async () => {
  try {
    for await (const answer of guest.iterate({ query: '{ nothing }' })) return JSON.stringify(answer);
  } catch (errors) {
    return errors[0].extensions.code === 'BAD_USER_INPUT' ? undefined : JSON.stringify(errors);
  }
  return 'it was completed';
});

await check('changes of an order arrive in order, also after a new connection', async () => {
  const login = `mutation { sessionCreate(input: { identifier: "customer@example.com", password: "customer123" }) {
    accessToken } }`;
  const token = (await ask(login)).sessionCreate.accessToken;
  const sold = await ask('{ products(first: 20, filter: { availability: { eq: IN_STOCK } }) { nodes { variants { id } } } }');
  const variantId = sold.products.nodes.find(({ variants }) => variants.length > 0).variants[0].id;
  const create = `mutation($variantId: ID!) {
    orderCreate(input: { lines: [{ variantId: $variantId, quantity: 1 }] }) { order { id version } userErrors { message } } }`;
  const created = (await ask(create, { variantId }, token)).orderCreate;
  if (!created.order) return JSON.stringify(created.userErrors);
  const { id } = created.order;
  const follow = async (after, changes) => {
    const customer = client(token);
    const query = 'subscription($id: ID!, $after: Int) { orderUpdated(id: $id, afterVersion: $after) { version status } }';
    const seen = customer.iterate({ query, variables: { id, after } });
    for await (const { data } of seen) {
      changes.push(`${data.orderUpdated.version} ${data.orderUpdated.status}`);
      break;
    }
    await customer.dispose();
    return changes;
  };
  const changes = await follow(0, []);
  const waiting = follow(1, changes);
  await ask('mutation($id: ID!) { orderCancel(id: $id) { userErrors { message } } }', { id }, token);
  await waiting;
  return changes.join() === '1 AWAITING_PAYMENT,2 CANCELLED' ? undefined : changes.join();
});

await check('a token that is no good closes with 4403', async () => {
  const stranger = client('nonsense');
  try {
    for await (const answer of stranger.iterate({ query: '{ shop { name } }' })) return JSON.stringify(answer);
  } catch (event) {
    return event.code === 4403 ? undefined : `code ${event.code}`;
  }
  return 'it was completed';
});

await guest.dispose();
report(results);
