// GraphiQL with the explorer, bundled by scripts/graphiql. Everything it loads comes from /graphiql/ of the same host.
import { createRoot } from 'react-dom/client';
import { GraphiQL, HISTORY_PLUGIN } from 'graphiql';
import { explorerPlugin } from '@graphiql/plugin-explorer';
import { createGraphiQLFetcher } from '@graphiql/toolkit';
import 'graphiql/style.css';
import '@graphiql/plugin-explorer/style.css';
import welcome from './welcome.graphql';

// The workers are own files, so that the content security policy needs neither blob: nor eval.
globalThis.MonacoEnvironment = {
  getWorker: (_, label) =>
    new Worker(`/graphiql/${label === 'graphql' || label === 'json' ? label : 'editor'}.worker.js`),
};

const url = new URL('/graphql', location.href);
const subscriptionUrl = new URL(url);
subscriptionUrl.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';

// With an address, not a client, the headers pane goes into connection_init, where the server looks for the token.
const fetcher = createGraphiQLFetcher({ url: url.href, subscriptionUrl: subscriptionUrl.href });
const plugins = [HISTORY_PLUGIN, explorerPlugin()];

createRoot(document.getElementById('graphiql')).render(
  <GraphiQL fetcher={fetcher} plugins={plugins} defaultQuery={welcome} defaultEditorToolsVisibility="headers">
    <GraphiQL.Logo>Tradepost</GraphiQL.Logo>
  </GraphiQL>,
);
