// The standard introspection query of graphql-js must pass at the default limits and give a schema that its tools accept.
import { buildClientSchema, getIntrospectionQuery, validateSchema } from 'graphql';
import { report, url } from './server.mjs';

const results = [];
async function check(name, action) {
  try {
    results.push({ name, problem: await action() });
  } catch (error) {
    results.push({ name, problem: String(error) });
  }
}

let answer;
await check('the introspection query is answered without errors', async () => {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/graphql-response+json' },
    body: JSON.stringify({ query: getIntrospectionQuery() }),
  });
  answer = await response.json();
  if (answer.errors) return JSON.stringify(answer.errors);
  return response.status === 200 ? undefined : `status ${response.status}`;
});

let schema;
await check('a client schema can be built from it', () => {
  schema = buildClientSchema(answer.data);
});
await check('the schema is valid', () =>
  validateSchema(schema)
    .map(({ message }) => message)
    .join('; '),
);

report(results);
