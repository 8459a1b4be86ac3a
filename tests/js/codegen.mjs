// Code generation from the running server's schema must succeed for every example operation.
import { generate } from '@graphql-codegen/cli';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { report, url } from './server.mjs';

const folder = fileURLToPath(new URL('../../examples/operations/', import.meta.url));
const examples = readdirSync(folder).filter((name) => name.endsWith('.graphql'));

const results = [];
for (const example of examples) {
  const name = `codegen of examples/operations/${example}`;
  try {
    const [{ content }] = await generate(
      {
        schema: url,
        documents: folder + example,
        silent: true,
        generates: { 'types.ts': { plugins: ['typescript', 'typescript-operations'] } },
      },
      false, // the result is only looked at, not written
    );
    results.push({ name, problem: content.includes('export type') ? undefined : 'no type was generated' });
  } catch (error) {
    results.push({ name, problem: [error, ...(error.errors ?? [])].map(String).join('; ') });
  }
}
report(results);
