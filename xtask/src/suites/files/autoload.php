<?php

// In the place of Composer's: classes of php-amqplib and of its tests, each in a file of its name.
spl_autoload_register(function (string $class): void {
    $folders = [
        'PhpAmqpLib\\Tests\\Functional\\' => 'tests/Functional/',
        'PhpAmqpLib\\Tests\\Unit\\' => 'tests/Unit/',
        'PhpAmqpLib\\' => 'PhpAmqpLib/',
    ];
    foreach ($folders as $prefix => $folder) {
        if (str_starts_with($class, $prefix)) {
            $name = strtr(substr($class, strlen($prefix)), '\\', '/');
            $file = __DIR__ . "/../$folder$name.php";
            if (is_file($file)) {
                require $file;
            }
            return;
        }
    }
});
