// An OpenID provider on loopback, and the tokens that its clients get from it by the standard ways.
//
//   node issuer.js RESOURCE        the resource (RFC 8707) that most of the tokens are for
//
// Prints one line of JSON, { issuer, tokens }, and serves until its standard input ends.

import { createHash, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';

import { Provider } from 'oidc-provider';
import { exportJWK, generateKeyPair } from 'jose';

const resource = process.argv[2];
const redirect = 'http://127.0.0.1:1/callback';
const secret = 'only-for-the-tests';

// The provider's notes for people go where its errors go.
console.info = console.warn = console.error;

const server = createServer();
await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
const issuer = `http://127.0.0.1:${server.address().port}`;

const keys = [];
for (const alg of ['RS256', 'ES256']) {
  const { privateKey } = await generateKeyPair(alg, { extractable: true });
  keys.push({ ...(await exportJWK(privateKey)), alg, use: 'sig', kid: alg.toLowerCase() });
}

const people = {
  dana: { email: 'dana@example.com', email_verified: true },
  ann: { email: 'dana@example.com', email_verified: false },
};

// The resources' names say how their tokens are signed.
const algorithm = (name) => (name.includes('rs256') ? 'RS256' : 'ES256');

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: 'kiro-client',
      application_type: 'native',
      token_endpoint_auth_method: 'none',
      grant_types: ['authorization_code'],
      response_types: ['code'],
      redirect_uris: [redirect],
    },
    ...['batch-client', 'unknown-client'].map((client_id) => ({
      client_id,
      client_secret: secret,
      token_endpoint_auth_method: 'client_secret_post',
      grant_types: ['client_credentials'],
      response_types: [],
      redirect_uris: [],
    })),
  ],
  jwks: { keys },
  cookies: { keys: [randomBytes(16).toString('hex')] },
  claims: { openid: ['sub'], email: ['email', 'email_verified'] },
  scopes: ['openid', 'email', 'countersign'],
  findAccount: (_, sub) => ({ accountId: sub, claims: () => ({ sub, ...people[sub] }) }),
  extraTokenClaims: (_, token) => people[token.accountId],
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_, name) => ({
        scope: 'countersign other',
        audience: name,
        accessTokenFormat: 'jwt',
        accessTokenTTL: 300,
        jwt: { sign: { alg: algorithm(name) } },
      }),
      useGrantedResource: () => true,
    },
  },
});
server.on('request', provider.callback());

async function token(parameters) {
  const answer = await fetch(`${issuer}/token`, { method: 'POST', body: new URLSearchParams(parameters) });
  const body = await answer.json();
  if (!body.access_token) throw new Error(`no token for ${JSON.stringify(parameters)}: ${JSON.stringify(body)}`);
  return body;
}

// A client with a secret and no user.
async function ofClient(client_id, scope, target) {
  const grant = { grant_type: 'client_credentials', client_id, client_secret: secret };
  return (await token({ ...grant, scope, resource: target })).access_token;
}

// A public client for somebody who signs in: authorization code with PKCE.
async function ofPerson(login, scope, target) {
  const cookies = new Map();
  async function go(url, form) {
    const path = new URL(url).pathname;
    const sent = [...cookies.values()].filter((cookie) => path.startsWith(cookie.path)).map((cookie) => cookie.pair);
    const answer = await fetch(url, {
      redirect: 'manual',
      headers: { cookie: sent.join('; ') },
      ...(form && { method: 'POST', body: new URLSearchParams(form) }),
    });
    for (const line of answer.headers.getSetCookie()) {
      const pair = line.split(';')[0];
      const at = /path=([^;]+)/i.exec(line)?.[1] ?? '/';
      cookies.set(`${pair.split('=')[0]} ${at}`, { pair, path: at });
    }
    const next = answer.headers.get('location');
    return next && new URL(next, url).href;
  }

  const code_verifier = randomBytes(32).toString('base64url');
  const start = new URL(`${issuer}/auth`);
  start.search = new URLSearchParams({
    client_id: 'kiro-client',
    response_type: 'code',
    redirect_uri: redirect,
    scope,
    resource: target,
    code_challenge: createHash('sha256').update(code_verifier).digest('base64url'),
    code_challenge_method: 'S256',
  });
  let at = await go(start.href);
  for (const form of [{ prompt: 'login', login, password: 'any' }, { prompt: 'consent' }]) {
    at = await go(await go(at, form));
  }
  const code = new URL(at).searchParams.get('code');
  const grant = { grant_type: 'authorization_code', client_id: 'kiro-client', redirect_uri: redirect };
  return token({ ...grant, code, code_verifier, resource: target });
}

const person = await ofPerson('dana', 'openid email countersign', resource);
const rs256 = 'https://rs256.example.com/mcp';
console.log(JSON.stringify({
  issuer,
  tokens: {
    person: person.access_token,
    id_token: person.id_token,
    unverified: (await ofPerson('ann', 'openid email countersign', resource)).access_token,
    without_scope: (await ofPerson('dana', 'openid email other', resource)).access_token,
    other_audience: (await ofPerson('dana', 'openid email countersign', 'https://other.example.com/mcp')).access_token,
    batch: await ofClient('batch-client', 'countersign', resource),
    batch_rs256: await ofClient('batch-client', 'countersign', rs256),
    unknown_client: await ofClient('unknown-client', 'countersign', resource),
  },
}));
process.stdin.on('end', () => process.exit(0)).resume();
