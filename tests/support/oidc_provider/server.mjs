// An OpenID provider on the loopback, for tests: the certified oidc-provider, with the login and
// consent forms that it brings along. Any name logs in, with any password; the name is the subject.
//   node server.mjs '{"redirect_uri": "...", "clients": {"ID": {"secret": "...", "algorithm": "RS256"}}}'
// Prints "issuer URL" when it listens, and ends with its standard input.
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import Provider from 'oidc-provider';

const KINDS = {
  RS256: ['rsa', { modulusLength: 2048 }],
  ES256: ['ec', { namedCurve: 'P-256' }],
  EdDSA: ['ed25519', {}],
};
const wanted = JSON.parse(process.argv[2]);

function signingKey(alg) {
  const { privateKey } = generateKeyPairSync(...KINDS[alg]);
  return { ...privateKey.export({ format: 'jwk' }), alg, use: 'sig', kid: `key-${alg}` };
}

const server = createServer();
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const issuer = `http://127.0.0.1:${server.address().port}`;
const provider = new Provider(issuer, {
  clients: Object.entries(wanted.clients).map(([id, { secret, algorithm }]) => ({
    client_id: id,
    client_secret: secret,
    redirect_uris: [wanted.redirect_uri],
    grant_types: ['authorization_code'],
    response_types: ['code'],
    token_endpoint_auth_method: 'client_secret_basic',
    id_token_signed_response_alg: algorithm,
  })),
  jwks: { keys: Object.keys(KINDS).map(signingKey) },
  enabledJWA: { idTokenSigningAlgValues: Object.keys(KINDS) },
  cookies: { keys: ['of a test'] },
  pkce: { required: () => true, methods: ['S256'] },
  findAccount: (context, sub) => ({ accountId: sub, claims: () => ({ sub }) }),
});
server.on('request', provider.callback());
console.log(`issuer ${issuer}`);
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
