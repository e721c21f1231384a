import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { optionsOf } from '../support/command-line.js'
import { faultsOf } from './kubernetes-schema.js'

/** The manifests of examples/kubernetes, against the types of the API and against each other. No cluster runs them here. */

type Labels = Readonly<Record<string, string>>

interface Container {
  readonly name: string
  readonly image: string
  readonly restartPolicy?: string
  readonly command: readonly string[]
  readonly args?: readonly string[]
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[]
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[]
  readonly securityContext: Readonly<Record<string, unknown>>
  readonly resources: { readonly limits: unknown; readonly requests: unknown }
  readonly [probe: string]: unknown
}

interface Template {
  readonly metadata: { readonly labels: Labels }
  readonly spec: {
    readonly securityContext: Readonly<Record<string, unknown>>
    readonly automountServiceAccountToken: boolean
    readonly initContainers?: readonly Container[]
    readonly containers: readonly Container[]
    readonly volumes?: readonly Readonly<Record<string, unknown>>[]
  }
}

interface Port {
  readonly port: number | string
  readonly targetPort?: string
}

interface Rule {
  readonly from?: readonly Peer[]
  readonly to?: readonly Peer[]
  readonly ports: readonly Port[]
}

interface Peer {
  readonly podSelector?: { readonly matchLabels: Labels }
}

interface Manifest {
  readonly file: string
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string }
  readonly spec: {
    readonly template?: Template
    readonly selector?: Labels & { readonly matchLabels?: Labels }
    readonly podSelector?: { readonly matchLabels?: Labels }
    readonly serviceName?: string
    readonly ports?: readonly Port[]
    readonly ingress?: readonly Rule[]
    readonly egress?: readonly Rule[]
    readonly volumeClaimTemplates?: readonly { readonly metadata: { readonly name: string } }[]
    readonly replicas?: number
    readonly maxUnavailable?: number
  }
}

const folder = fileURLToPath(new URL('../../examples/kubernetes/', import.meta.url))
const read = (name: string): string => readFileSync(`${folder}${name}`, 'utf8')
const files = readdirSync(folder).filter(name => name.endsWith('.yaml') && name !== 'kustomization.yaml')

/** The tools of Kubernetes read YAML as version 1.1 has it, in which 0440 is a number of base 8. */
const manifests = files.flatMap(file =>
  parseAllDocuments(read(file), { version: '1.1' }).map((document): Manifest => {
    expect([file, document.errors, document.warnings]).toEqual([file, [], []])
    return { file, ...(document.toJS() as Omit<Manifest, 'file'>) }
  }),
)
const of = (kind: string): Manifest[] => manifests.filter(each => each.kind === kind)
const withPods = manifests.flatMap(({ kind, metadata, spec }) =>
  spec?.template === undefined ? [] : [{ kind, name: metadata.name, template: spec.template, spec }],
)
const containersOf = ({ spec }: Template): Container[] => [...(spec.initContainers ?? []), ...spec.containers]
const containers = withPods.flatMap(({ name, template }) =>
  containersOf(template).map(container => ({ pod: name, container, template })),
)
const selects = (selector: Labels, { metadata }: Template): boolean =>
  Object.entries(selector).every(([name, value]) => metadata.labels[name] === value)
const selectedBy = (selector: Labels) => withPods.filter(({ template }) => selects(selector, template))
const portsOf = (templates: readonly { template: Template }[]): string[] =>
  templates.flatMap(({ template }) =>
    containersOf(template).flatMap(({ ports = [] }) => ports.map(port => port.name)),
  )

describe('the types of the API', () => {
  it('have every field of each manifest, of its kind', () => {
    for (const { file, ...manifest } of manifests)
      expect(faultsOf(manifest, manifest.kind, `${file}: ${manifest.kind}`)).toEqual([])
    expect(manifests).toHaveLength(16)
  })

  it('refuse what is misspelt, missing or of another type', () => {
    expect(faultsOf({ name: 'a', imagePolicy: 'x' }, 'Container', 'a')).toEqual([
      'a.imagePolicy is no field of Container',
    ])
    expect(faultsOf({ image: 'a' }, 'Container', 'a')).toEqual(['a has no name'])
    expect(faultsOf({ name: 'a', args: [1], stdin: 'yes' }, 'Container', 'a')).toEqual([
      'a.args[0] is not string',
      'a.stdin is not boolean',
    ])
    expect(faultsOf({ name: 'a', lifecycle: {} }, 'Container', 'a')).toEqual([
      'a.lifecycle is a Lifecycle, of which the fields are not known',
    ])
  })
})

describe('the parts', () => {
  it('are in the namespace, named once, and all in kustomization.yaml but for what makes the realm', () => {
    const kustomization = parse(read('kustomization.yaml')) as { resources: string[]; namespace: string }
    expect([...kustomization.resources, 'make-realm.yaml'].sort()).toEqual([...files].sort())
    const names = manifests.map(({ kind, metadata }) => `${kind}/${metadata.name}`)
    expect(new Set(names).size).toBe(names.length)
    for (const { kind, metadata } of manifests)
      if (kind !== 'Namespace')
        expect([metadata.name, metadata.namespace]).toEqual([metadata.name, 'orthrus'])
  })

  it('select pods that there are', () => {
    for (const { spec, kind, metadata } of manifests) {
      const selector = spec?.selector?.matchLabels ?? (kind === 'Service' ? spec.selector : undefined)
      if (selector === undefined) continue
      const own = spec.template === undefined ? selectedBy(selector as Labels) : [{ template: spec.template }]
      expect([metadata.name, own.length]).toEqual([metadata.name, 1])
      expect(own.every(({ template }) => selects(selector as Labels, template))).toBe(true)
    }
    for (const { spec } of of('StatefulSet'))
      expect(of('Service').map(each => each.metadata.name)).toContain(spec.serviceName)
  })

  it('name ports that the pods have', () => {
    for (const { spec, metadata } of of('Service')) {
      const there = portsOf(selectedBy(spec.selector as Labels))
      for (const { targetPort } of spec.ports ?? [])
        expect([metadata.name, there]).toEqual([metadata.name, expect.arrayContaining([targetPort])])
    }
    for (const { spec } of of('NetworkPolicy')) {
      const own = selectedBy(spec.podSelector?.matchLabels ?? {})
      expect(own).not.toEqual([])
      const asked = [
        ...(spec.ingress ?? []).map(rule => [rule, own] as const),
        ...(spec.egress ?? []).map(rule => [rule, peersOf(rule.to)] as const),
      ]
      for (const [rule, behind] of asked)
        for (const { port } of rule.ports)
          if (typeof port === 'string') expect(portsOf(behind)).toContain(port)
    }
    for (const { container } of containers) {
      const names = (container.ports ?? []).map(port => port.name)
      for (const asked of JSON.stringify(container).matchAll(/"port":("?\w+"?)/g))
        expect(names).toContain(JSON.parse(asked[1] ?? ''))
    }
  })

  it('mount volumes that there are, and all of them', () => {
    const claims = of('PersistentVolumeClaim').map(each => each.metadata.name)
    for (const { name, template, spec } of withPods) {
      const volumes = template.spec.volumes ?? []
      const there = [
        ...volumes.map(volume => String(volume.name)),
        ...(spec.volumeClaimTemplates ?? []).map(claim => claim.metadata.name),
      ]
      const mounted = containersOf(template).flatMap(({ volumeMounts = [] }) => volumeMounts.map(m => m.name))
      expect([name, [...new Set(mounted)].sort()]).toEqual([name, there.sort()])
      for (const { persistentVolumeClaim: claim } of volumes)
        if (claim !== undefined) expect(claims).toContain((claim as { claimName: string }).claimName)
    }
    // The realm is made on the volume that the StatefulSet then takes.
    const [kdc] = of('StatefulSet')
    const [claim] = kdc?.spec.volumeClaimTemplates ?? []
    expect(claims).toContain(`${claim?.metadata.name}-${kdc?.metadata.name}-0`)
  })
})

function peersOf(peers: readonly Peer[] = []) {
  return peers.flatMap(({ podSelector }) =>
    podSelector === undefined ? [] : selectedBy(podSelector.matchLabels),
  )
}

describe('a pod', () => {
  it('is confined, and every container of it has limits', () => {
    for (const { template } of withPods) {
      expect(template.spec.automountServiceAccountToken).toBe(false)
      expect(template.spec.securityContext).toMatchObject({
        runAsNonRoot: true,
        runAsUser: 1000,
        seccompProfile: { type: 'RuntimeDefault' },
      })
    }
    for (const { pod, container } of containers) {
      expect([pod, container.securityContext]).toEqual([
        pod,
        expect.objectContaining({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        }),
      ])
      expect(container.resources).toMatchObject({
        requests: { cpu: expect.any(String), memory: expect.any(String) },
        limits: { memory: expect.any(String) },
      })
    }
  })

  it('gives its program neither the key nor the user of the proxy, and only that user may use it', () => {
    for (const name of ['orders', 'web']) {
      const template = withPods.find(each => each.name === name)?.template
      expect(
        template?.spec.containers.map(each => [each.volumeMounts, each.securityContext.runAsUser]),
      ).toEqual([[undefined, 1001]])
      const sidecars = template?.spec.initContainers?.filter(each => each.restartPolicy === 'Always')
      expect(sidecars?.map(each => each.name)).toEqual(['proxy'])
    }
    const call = containers.find(({ pod, container }) => pod === 'web' && container.name === 'proxy')
    expect(call?.container.args).toContain('--only-user=1001')
  })

  it('of the KDC is asked for its health, is one alone, and may be moved', () => {
    const [kdc] = of('StatefulSet')
    expect(kdc?.spec.replicas).toBe(1)
    expect(of('PodDisruptionBudget').map(each => each.spec.maxUnavailable)).toEqual([1])
    const path = (probe: unknown) => (probe as { httpGet: { path: string } }).httpGet.path
    const [container] = kdc?.spec.template?.spec.containers ?? []
    expect(['startupProbe', 'livenessProbe', 'readinessProbe'].map(name => path(container?.[name]))).toEqual([
      '/healthz',
      '/healthz',
      '/readyz',
    ])
  })
})

/** The command lines of a container: its own, or each in its script. */
function linesOf({ command, args = [] }: Container): string[][] {
  if (command[0] !== 'sh') return command[0] === 'orthrus' ? [[...args]] : []
  return [...args.join('\n').matchAll(/\borthrus ([^\n;&|]+)/g)].map(([, words = '']) => words.split(' '))
}

describe('a command line of orthrus', () => {
  it.each(
    containers.flatMap(({ pod, container }) =>
      linesOf(container).map(words => [`${pod}/${container.name}`, words, container] as const),
    ),
  )('of %s is one that it takes, with files that are mounted', async (_, words, container) => {
    await optionsOf(words)
    const mounts = (container.volumeMounts ?? []).map(each => each.mountPath)
    for (const [, path = ''] of words.join(' ').matchAll(/(?:^|[ =])(\/\S+)/g))
      expect([path, mounts.some(mount => path.startsWith(`${mount}/`))]).toEqual([path, true])
  })

  it('that is misspelt is refused', async () => {
    await expect(optionsOf(['kdc', '--listn=8080'])).rejects.toMatchObject({
      code: 'commander.unknownOption',
    })
  })
})
