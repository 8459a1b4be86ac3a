// The public audit of GraphQL over HTTP. Its MAY checks only give notices; here they count like the others.
import { serverAudits } from 'graphql-http';
import { report, url } from './server.mjs';

const results = [];
for (const audit of serverAudits({ url, fetchFn: fetch })) {
  const result = await audit.fn().catch((error) => ({ status: 'error', reason: String(error) }));
  // An unread body would keep its connection open.
  await result.response?.body?.cancel().catch(() => {});
  results.push({ name: `${audit.id} ${audit.name}`, problem: result.status === 'ok' ? undefined : `${result.status}: ${result.reason}` });
}
report(results);
