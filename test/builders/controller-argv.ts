/** Of a controller that knows what a file says and answers everybody, on ports that the kernel chooses. */
export function controllerArgv(inventory: string): readonly string[] {
  return ['--source', 'file', '--inventory-file', inventory]
    .concat(['--auth', 'none', '--tls', 'off'])
    .concat(['--listen', '127.0.0.1:0', '--metrics-listen', '127.0.0.1:0']);
}
