// What the checks share: the server's address and the closing line that CI reads.

const [address] = process.argv.slice(2);
if (!address) {
  console.error(`usage: node ${process.argv[1]} http://HOST:PORT`);
  process.exit(2);
}

/** The GraphQL endpoint of the server under test. */
export const url = new URL('/graphql', address).href;

/** Prints one result a line, then the sum, and sets the exit code. */
export function report(results) {
  for (const { name, problem } of results) {
    console.log(problem ? `FAIL ${name}\n     ${problem}` : `ok   ${name}`);
  }
  const failed = results.filter(({ problem }) => problem).length;
  console.log(`\n${results.length - failed} passed, ${failed} failed`);
  // A run without any check has checked nothing.
  process.exitCode = failed > 0 || results.length === 0 ? 1 : 0;
}
