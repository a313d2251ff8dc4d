/**
 * The software bill of materials of an image: its files, and the packages of others in them.
 *
 * It has neither a time nor random numbers, so the same image has the same bill.
 *
 * @module
 */

import { Enums, Models, Serialize, SPDX, Spec } from "@cyclonedx/cyclonedx-library";
import type { DigestSet } from "./digest.ts";
import { type LockedPackage, packageUrl } from "./package_lock.ts";

const { Component, ExternalReference, HashDictionary } = Models;
const { ComponentType, ExternalReferenceType, HashAlgorithm } = Enums;

/** A file of an image. */
export interface BilledFile {
  /** Its path in the archive. */
  readonly path: string;
  /** Its SHA-256, in hexadecimal. */
  readonly sha256: string;
  /** The paths of the files that it needs. */
  readonly needs?: readonly string[];
  /** The packages that are bundled into it. */
  readonly packages?: readonly LockedPackage[];
  /** The details of the runtime, if it is that. */
  readonly runtime?: BilledRuntime;
}

/** The runtime of the entrypoints. */
export interface BilledRuntime {
  /** The versions of its Deno and its V8; `undefined` for a user's own runtime. */
  readonly versions: { readonly deno: string; readonly v8: string } | undefined;
  /** The npm package that it was cut from; `undefined` if it was not. */
  readonly carrier: LockedPackage | undefined;
}

/** An image of which a bill of materials is written. */
export interface BilledImage {
  /** The image's name. */
  readonly name: string;
  /** Its version. */
  readonly version: string;
  /** Its processor, by its name in appc. */
  readonly architecture: string;
  /** The digests of its file. */
  readonly digest: Readonly<Record<"sha256" | "sha512", string>>;
  /** Its files. */
  readonly files: readonly BilledFile[];
}

/** The components by their references, each once. */
type Components = Map<string, Models.Component>;

/** Formats the bill of materials of an image: CycloneDX 1.6, as JSON. */
export function billOfMaterials(image: BilledImage): string {
  const components: Components = new Map();
  const files = image.files.map((file) => add(components, fileComponent(file)));
  image.files.forEach(({ needs = [], packages = [], runtime }, i) => {
    depend(files[i]!, needs.map((path) => components.get(path)!));
    depend(files[i]!, packages.map((each) => add(components, packageComponent(each))));
    if (runtime !== undefined) depend(files[i]!, [addRuntime(components, runtime)]);
  });
  const component = imageComponent(image);
  depend(component, files);
  return serialize(
    new Models.Bom({
      serialNumber: serialNumber(image.digest.sha256),
      metadata: new Models.Metadata({
        component,
        lifecycles: new Models.LifecycleRepository([Enums.LifecyclePhase.Build]),
      }),
      components: new Models.ComponentRepository(components.values()),
    }),
  );
}

function add(components: Components, component: Models.Component): Models.Component {
  const reference = component.bomRef.value!;
  if (!components.has(reference)) components.set(reference, component);
  return components.get(reference)!;
}

function serialize(bom: Models.Bom): string {
  const normalizer = new Serialize.JSON.Normalize.Factory(Spec.Spec1dot6);
  const options = { sortLists: true, space: 2 };
  return new Serialize.JsonSerializer(normalizer).serialize(bom, options) + "\n";
}

function imageComponent({ name, version, digest, architecture }: BilledImage): Models.Component {
  return new Component(ComponentType.Container, name, {
    bomRef: name,
    version,
    purl: `pkg:generic/${name}@${version}?arch=${architecture}`,
    hashes: hashes(digest),
    licenses: licenses("Apache-2.0"),
  });
}

function fileComponent({ path, sha256 }: BilledFile): Models.Component {
  return new Component(ComponentType.File, path, { bomRef: path, hashes: hashes({ sha256 }) });
}

function packageComponent(locked: LockedPackage): Models.Component {
  const [, group, name] = locked.name.match(/^(?:(@[^/]+)\/)?(.+)$/)!;
  const purl = packageUrl(locked);
  return new Component(ComponentType.Library, name!, {
    bomRef: purl,
    ...group !== undefined && { group },
    version: locked.version,
    purl,
    externalReferences: new Models.ExternalReferenceRepository([distribution(locked)]),
    ...locked.license !== undefined && { licenses: licenses(locked.license) },
  });
}

/** Adds the runtime, and V8, whose vulnerabilities are published under its own name. */
function addRuntime(
  components: Components,
  { versions, carrier }: BilledRuntime,
): Models.Component {
  const sources = carrier === undefined ? [] : [distribution(carrier)];
  const deno = new Component(ComponentType.Platform, "deno", {
    bomRef: "deno",
    description:
      "denort, the part of Deno that runs compiled programs; the Rust crates in it are " +
      "those of its Cargo.lock, and not listed here",
    externalReferences: new Models.ExternalReferenceRepository(sources),
    licenses: licenses("MIT"),
    ...versions !== undefined && {
      version: versions.deno,
      purl: `pkg:github/denoland/deno@v${versions.deno}`,
      cpe: `cpe:2.3:a:deno:deno:${versions.deno}:*:*:*:*:*:*:*`,
    },
  });
  if (versions !== undefined) depend(deno, [add(components, v8Component(versions.v8))]);
  return add(components, deno);
}

function v8Component(denosName: string): Models.Component {
  const version = denosName.replace(/-.*/, "");
  const purl = `pkg:github/v8/v8@${version}`;
  return new Component(ComponentType.Library, "v8", {
    bomRef: "v8",
    version,
    purl,
    licenses: licenses("BSD-3-Clause"),
  });
}

/** Returns the URL of an npm package's archive, and its digest. */
function distribution({ name, version, sha512 }: LockedPackage): Models.ExternalReference {
  const archive = `${name.replace(/^.*\//, "")}-${version}.tgz`;
  const url = `https://registry.npmjs.org/${name}/-/${archive}`;
  const digest = sha512 === undefined ? {} : { sha512 };
  return new ExternalReference(url, ExternalReferenceType.Distribution, { hashes: hashes(digest) });
}

function depend(component: Models.Component, on: readonly Models.Component[]): void {
  for (const { bomRef } of on) component.dependencies.add(bomRef);
}

function hashes({ sha256, sha512 }: DigestSet): Models.HashDictionary {
  const found = new HashDictionary();
  if (sha256 !== undefined) found.set(HashAlgorithm["SHA-256"], sha256);
  if (sha512 !== undefined) found.set(HashAlgorithm["SHA-512"], sha512);
  return found;
}

function licenses(expression: string): Models.LicenseRepository {
  const license = SPDX.isSupportedSpdxId(expression)
    ? new Models.SpdxLicense(expression)
    : new Models.LicenseExpression(expression);
  return new Models.LicenseRepository([license]);
}

/** Makes a UUID of version 8 (RFC 9562) from a digest. */
function serialNumber(sha256: string): string {
  const [, a, b, c, d, e] = sha256.match(/^(.{8})(.{4}).(.{3}).(.{3})(.{12})/)!;
  return `urn:uuid:${a}-${b}-8${c}-8${d}-${e}`;
}
