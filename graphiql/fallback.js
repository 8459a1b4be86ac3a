// Starts the GraphiQL that fallback.html loads from a public host, or says that it did not load.
'use strict';

const curl = document.getElementById('curl');
curl.textContent = curl.textContent.replace('http://localhost:8080', location.origin);

// Deferred scripts run in order, so by now the others have loaded or failed.
if (window.React && window.ReactDOM && window.GraphiQL) {
  const url = new URL('/graphql', location.href);
  const socket = new URL(url);
  socket.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  const fetcher = GraphiQL.createFetcher({ url: url.href, subscriptionUrl: socket.href });
  const welcome = `# Welcome to Tradepost. Log in, then put the access token into the Headers pane:
#   { "authorization": "Bearer ACCESS_TOKEN" }

mutation LogIn {
  sessionCreate(input: { identifier: "customer@example.com", password: "customer123" }) {
    accessToken
    userErrors { code message path }
  }
}

query ListProducts {
  products(first: 5) { nodes { id name availability price { amount currencyCode } } }
}

mutation CreateOrder {
  orderCreate(input: { lines: [{ productId: "PRODUCT_ID", quantity: 1 }] }, idempotencyKey: "my-first-order") {
    order { number status }
    userErrors { code message path }
  }
}
`;
  ReactDOM.createRoot(document.getElementById('graphiql')).render(
    React.createElement(GraphiQL, { fetcher, defaultQuery: welcome, defaultEditorToolsVisibility: 'headers' }),
  );
} else {
  document.getElementById('state').textContent =
    'GraphiQL could not be loaded from unpkg.com, and this program was built without its own copy.';
}
